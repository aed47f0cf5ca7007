//! Tasks that wait for something outside.

use super::session::fresh;

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_task_waits_until_its_gates_are_open() {
    let session = fresh().await;
    let id = session.text("select create_task('t')").await;
    let gate = format!("select add_gate('{id}', 'gh:pr', '{{\"pr\": 7}}')");
    let (one, two) = (session.text(&gate).await, session.text(&gate).await);
    let start = format!("select update_task_status('{id}', 'in_progress')");
    assert_eq!(session.sqlstate(&start).await, "55000");
    assert_eq!(session.text("select count(*) from claim_task('w')").await, "0");
    let resolve = format!("select resolve_gate('{one}', 'ci', '{{\"merged\": true}}')");
    assert_eq!(session.text(&resolve).await, "t");
    assert_eq!(session.text(&resolve).await, "f", "it stands open already");
    assert_eq!(session.sqlstate(&start).await, "55000");
    session.text(&format!("select resolve_gate('{two}')")).await;
    assert_eq!(session.text(&start).await, "t");
    let stored =
        format!("select concat_ws('|', resolved_by, result) from task_gates where id = '{one}'");
    assert_eq!(session.text(&stored).await, "ci|{\"merged\": true}");
    let log = "select string_agg(kind, ' ' order by seq) from task_events where kind ~ 'gate'";
    assert_eq!(session.text(log).await, "gate_added gate_added gate_resolved gate_resolved");
}

#[tokio::test]
async fn timers_open_when_their_time_has_come() {
    let session = fresh().await;
    let id = session.text("select create_task('t')").await;
    for until in ["2001-01-01T00:00:00Z", "2201-01-01"] {
        session
            .text(&format!("select add_gate('{id}', 'timer', '{{\"until\": \"{until}\"}}')"))
            .await;
    }
    assert_eq!(session.text("select resolve_due_gates()").await, "1");
    assert_eq!(session.text("select resolve_due_gates()").await, "0");
    assert_eq!(session.text("select open_gates from tasks").await, "1");
}

#[tokio::test]
async fn each_argument_of_a_gate_has_its_sqlstate() {
    let session = fresh().await;
    let id = session.text("select create_task('t')").await;
    for (call, sqlstate) in [
        (format!("add_gate('{NOBODY}', 'human', '{{}}')"), "P0002"),
        ("add_gate(null, 'human', '{}')".to_owned(), "22004"),
        (format!("add_gate('{id}', null, '{{}}')"), "22004"),
        (format!("add_gate('{id}', 'moon', '{{}}')"), "22023"),
        (format!("add_gate('{id}', 'human', '[]')"), "22023"),
        (format!("add_gate('{id}', 'human', null)"), "22004"),
        (format!("add_gate('{id}', 'timer', '{{}}')"), "22023"),
        (format!("add_gate('{id}', 'timer', '{{\"until\": \"soon\"}}')"), "22007"),
        (
            format!("add_gate('{id}', 'human', jsonb_build_object('a', repeat(md5('x'), 3000)))"),
            "54000",
        ),
        (format!("resolve_gate('{NOBODY}')"), "P0002"),
        ("resolve_gate(null)".to_owned(), "22004"),
        ("resolve_due_gates(0)".to_owned(), "22023"),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
}
