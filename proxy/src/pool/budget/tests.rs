//! The budget, by examples and by random sequences of what pools do.

use proptest::prelude::*;

use super::*;

fn key(user: &str, database: &str) -> PoolKey {
    PoolKey { database: database.into(), user: user.into() }
}

fn budget(server: usize) -> BudgetState {
    BudgetState::new(Limits { server: Some(server), ..Limits::default() })
}

fn holding(budget: &mut BudgetState, user: &str, min: usize, held: usize) -> MemberId {
    let id = budget.join(&key(user, "db"), "server", min);
    (0..held).for_each(|_| budget.take(id).unwrap());
    id
}

#[test]
fn each_scope_has_its_limit() {
    let limits = Limits { server: Some(4), user: Some(2), database: Some(3), ..Limits::default() };
    let mut budget = BudgetState::new(limits);
    let a1 = budget.join(&key("a", "one"), "server", 0);
    let a2 = budget.join(&key("a", "two"), "server", 0);
    let b1 = budget.join(&key("b", "one"), "server", 0);
    let c2 = budget.join(&key("c", "two"), "server", 0);
    assert_eq!((budget.take(a1), budget.take(a2)), (Ok(()), Ok(())));
    assert_eq!(budget.take(a1), Err(Scope::User));
    assert_eq!((budget.take(b1), budget.take(b1)), (Ok(()), Ok(())));
    assert_eq!(budget.take(c2), Err(Scope::Server));
    assert!(budget.settle(a2, 0).is_empty());
    assert_eq!(budget.take(a1), Err(Scope::Database));
    assert_eq!(budget.take(c2), Ok(()));
}

#[test]
fn limits_and_servers_change_while_connections_are_held() {
    let mut budget = budget(2);
    let full = holding(&mut budget, "a", 0, 2);
    let waits = holding(&mut budget, "b", 0, 0);
    assert_eq!(budget.claim(waits), Err(Scope::Server));
    let three = Limits { server: Some(3), ..Limits::default() };
    assert_eq!(budget.set_limits(three.clone()), [waits]);
    let late = holding(&mut budget, "c", 0, 0);
    assert_eq!(budget.claim(late), Err(Scope::Server));
    assert_eq!(budget.amend(full, "another server", 0), [late]);
    assert!(budget.set_limits(Limits { server: Some(1), ..three }).is_empty());
    assert_eq!(budget.take(full), Err(Scope::Server), "nobody loses, nobody gets");
}

#[test]
fn claims_are_granted_in_their_order() {
    let mut budget = budget(2);
    let full = holding(&mut budget, "a", 0, 2);
    let (first, second) = (holding(&mut budget, "b", 0, 0), holding(&mut budget, "c", 0, 0));
    assert_eq!(
        (budget.claim(first), budget.claim(second)),
        (Err(Scope::Server), Err(Scope::Server))
    );
    assert_eq!(budget.settle(full, 1), [first]);
    assert_eq!(budget.take(full), Err(Scope::Server), "the first claim has it");
    assert_eq!(budget.settle(full, 0), [second]);
}

#[test]
fn a_grant_is_not_lost_before_its_pool_heard_of_it() {
    let mut budget = budget(1);
    let full = holding(&mut budget, "a", 0, 1);
    let waits = holding(&mut budget, "b", 0, 0);
    assert!(budget.claim(waits).is_err());
    assert_eq!(budget.settle(full, 0), [waits]);
    assert!(budget.settle(waits, 0).is_empty(), "it has none yet");
    assert_eq!(budget.take(full), Err(Scope::Server));
    budget.take_up(waits);
    budget.settle(waits, 0);
    assert_eq!(budget.take(full), Ok(()), "it did not want it any more");
}

#[test]
fn who_has_nothing_gets_something_and_who_is_at_its_minimum_keeps_it_otherwise() {
    let mut budget = budget(4);
    let (a, b) = (holding(&mut budget, "a", 2, 2), holding(&mut budget, "b", 2, 2));
    assert!(budget.claim(a).is_err());
    assert!(!budget.yields(b, Spare::Idle), "b would be below its minimum");
    budget.withdraw(a);
    let c = holding(&mut budget, "c", 0, 0);
    assert!(budget.claim(c).is_err());
    assert!(budget.yields(b, Spare::Wanted), "c has nothing at all");
    assert!(!budget.yields(a, Spare::Idle), "one is enough");
    assert_eq!(budget.settle(b, 1), [c]);
}

#[test]
fn wanted_connections_go_to_who_has_less_until_the_shares_are_equal() {
    let mut budget = budget(6);
    let (rich, poor) = (holding(&mut budget, "a", 0, 5), holding(&mut budget, "b", 0, 1));
    let mut shares = (5, 1);
    while budget.claim(poor).is_err() && budget.yields(rich, Spare::Wanted) {
        shares = (shares.0 - 1, shares.1 + 1);
        assert_eq!(budget.settle(rich, shares.0), [poor]);
        budget.take_up(poor);
        budget.settle(poor, shares.1);
    }
    assert_eq!(shares, (3, 3));
    assert!(budget.claim(rich).is_err());
    assert!(!budget.yields(poor, Spare::Wanted), "no going to and fro");
}

#[test]
fn only_who_can_help_is_asked() {
    let mut budget = BudgetState::new(Limits { user: Some(1), ..Limits::default() });
    let other = budget.join(&key("b", "one"), "server", 0);
    let (same, claimant) =
        (budget.join(&key("a", "one"), "server", 0), budget.join(&key("a", "two"), "server", 0));
    assert_eq!((budget.take(other), budget.take(same)), (Ok(()), Ok(())));
    assert_eq!(budget.claim(claimant), Err(Scope::User));
    assert!(!budget.yields(other, Spare::Idle));
    assert!(budget.yields(same, Spare::Idle));
}

#[derive(Clone, Debug)]
enum Op {
    Claim(usize),
    Take(usize),
    Close(usize),
    Yield(usize, Spare),
    TakeUp(usize),
    Withdraw(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let pool = 0usize..5;
    prop_oneof![
        4 => pool.clone().prop_map(Op::Claim),
        1 => pool.clone().prop_map(Op::Take),
        3 => pool.clone().prop_map(Op::Close),
        2 => pool.clone().prop_map(|pool| Op::Yield(pool, Spare::Idle)),
        2 => pool.clone().prop_map(|pool| Op::Yield(pool, Spare::Wanted)),
        3 => pool.clone().prop_map(Op::TakeUp),
        1 => pool.prop_map(Op::Withdraw),
    ]
}

/// Five pools of three users and two databases, as their shells would behave.
struct Model {
    budget: BudgetState,
    ids: Vec<MemberId>,
    totals: Vec<usize>,
    pending: Vec<usize>,
    /// Claims in the order they were put in.
    queue: Vec<usize>,
}

impl Model {
    fn new(limits: Limits) -> Self {
        let mut budget = BudgetState::new(limits);
        let pools = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x")];
        let join = |(user, database)| budget.join(&key(user, database), "server", 1);
        let ids = pools.map(join).to_vec();
        Self { budget, ids, totals: vec![0; 5], pending: vec![0; 5], queue: Vec::new() }
    }

    fn note(&mut self, granted: Vec<MemberId>) {
        for id in granted {
            let pool = self.ids.iter().position(|known| *known == id).expect("a known pool");
            self.queue.retain(|claimant| *claimant != pool);
            self.pending[pool] += 1;
        }
    }

    fn close(&mut self, pool: usize) {
        if self.totals[pool] > 0 {
            self.totals[pool] -= 1;
            let granted = self.budget.settle(self.ids[pool], self.totals[pool]);
            self.note(granted);
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Claim(pool) => match self.budget.claim(self.ids[pool]) {
                Ok(()) => self.totals[pool] += 1,
                Err(_) if self.queue.contains(&pool) => {}
                Err(_) => self.queue.push(pool),
            },
            Op::Take(pool) => {
                if self.budget.take(self.ids[pool]).is_ok() {
                    self.totals[pool] += 1;
                }
            }
            Op::Close(pool) => self.close(pool),
            Op::Yield(pool, spare) => {
                if self.totals[pool] > 0 && self.budget.yields(self.ids[pool], spare) {
                    self.close(pool);
                }
            }
            Op::TakeUp(pool) => {
                if self.pending[pool] > 0 {
                    self.pending[pool] -= 1;
                    self.totals[pool] += 1;
                    self.budget.take_up(self.ids[pool]);
                    let granted = self.budget.settle(self.ids[pool], self.totals[pool]);
                    self.note(granted);
                }
            }
            Op::Withdraw(pool) => {
                self.budget.withdraw(self.ids[pool]);
                self.queue.retain(|claimant| *claimant != pool);
            }
        }
    }

    fn held(&self, belongs: impl Fn(usize) -> bool) -> usize {
        (0..5)
            .filter(|pool| belongs(*pool))
            .map(|pool| self.totals[pool] + self.pending[pool])
            .sum()
    }
}

proptest! {
    #[test]
    fn no_limit_is_exceeded_and_no_claim_is_forgotten(ops in prop::collection::vec(op(), 1..200)) {
        let limits =
            Limits { server: Some(5), user: Some(3), database: Some(4), ..Limits::default() };
        let mut model = Model::new(limits);
        for op in ops {
            model.apply(op);
            prop_assert!(model.held(|_| true) <= 5);
            for users in [vec![0, 1], vec![2, 3], vec![4]] {
                prop_assert!(model.held(|pool| users.contains(&pool)) <= 3);
            }
            for databases in [vec![0, 2, 4], vec![1, 3]] {
                prop_assert!(model.held(|pool| databases.contains(&pool)) <= 4);
            }
            prop_assert_eq!(model.budget.claims_len(), model.queue.len());
            for pool in &model.queue {
                let id = model.ids[*pool];
                prop_assert!(model.budget.obstacle(id).is_some(), "a claim waits beside room for it");
            }
        }
    }
}
