//! The extension over SQL, on a real cluster: its signatures, rules, refusals, behaviour under
//! concurrency, and its equality with the PL/pgSQL functions of `sql/plpgsql`.
//!
//! The implementation this one takes the place of was broken in 18 ways. Each has a regression
//! test named `defect_NN_...`, here for those that touch the eight functions:
//!
//! | defect | held by |
//! |---|---|
//! | 1 `get_task_hierarchy` cannot be created | `tasks` |
//! | 2, 3 `get_system_health`, `check_rate_limit` always fail | `health`, `rate_limits` |
//! | 4 the call that reaches the rate limit is not logged | `api_calls` |
//! | 5 the call of an unknown integration is logged without a word | `api_calls` |
//! | 6 a cycle of three dependencies is accepted | `dependencies`; `tasks` shows that a cycle of parents does no harm |
//! | 7 steps: the last is not seen, nothing is counted, ended workflows go on | `workflows` |
//! | 8, 9 indexes and constraints that cannot be created | the tests of the migrations |
//! | 10 the audit trigger cannot write | `audit` |
//! | 11 to 14 the runner's splitting, records, rollback and backup | the tests of the migrations |
//! | 15 invented load figures | `health` |
//! | 16 row-level security asks the wrong user | `tenants` |
//! | 17 lost updates | `concurrency` for the functions, the tests of the migrations for the runner |
//! | 18 TLS that trusts anyone | the tests of the proxy |

mod actors;
mod api_calls;
mod audit;
mod concurrency;
mod dependencies;
mod differential;
mod direct_insert;
mod direct_tasks;
mod erasure;
mod gates;
mod graphs;
mod health;
mod health_checks;
mod identity;
mod integrations;
mod leases;
mod metric_batches;
mod metrics;
mod openmetrics;
mod overview;
mod plans;
mod queue;
mod rate_limits;
mod roles;
mod rollups;
mod seals;
mod series;
mod session;
mod signatures;
mod sketches;
mod storm;
mod task_events;
mod task_lists;
mod task_trees;
mod tasks;
mod tenants;
mod upkeep;
mod workflow_steps;
mod workflows;
mod world;
