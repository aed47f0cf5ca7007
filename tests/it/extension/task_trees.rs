//! Trees of tasks: the order they are shown in, and how far they are.

use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn child(session: &Session, title: &str, parent: &str, hours: i32) -> String {
    let sql = format!(
        "select create_task('{title}', p_parent_task_id => '{parent}', p_estimated_hours => {hours})"
    );
    session.text(&sql).await
}

#[tokio::test]
async fn a_tree_is_shown_depth_first_with_what_is_known_of_each_task() {
    let session = fresh().await;
    let root = session.text("select create_task('root')").await;
    let a = child(&session, "a", &root, 1).await;
    let b = child(&session, "b", &root, 1).await;
    child(&session, "a1", &a, 1).await;
    child(&session, "a2", &a, 1).await;
    session
        .run(&format!(
            "update tasks set status = 'completed' where title = 'a1'; \
             select add_dependency('{b}', '{a}'); select create_task('other')"
        ))
        .await;
    let show = async |arguments: &str| {
        let sql = format!(
            "select string_agg(concat_ws(':', title, level, completion, open_deps, \
             left(ready::text, 1)), ' ' order by ord) from get_task_tree({arguments})"
        );
        session.text(&sql).await
    };
    let whole = "root:0:25.00:0:f a:1:50.00:0:f a1:2:100.00:0:f a2:2:0.00:0:t b:1:0.00:1:f";
    assert_eq!(show(&format!("'{root}'")).await, whole);
    assert_eq!(show("").await, format!("{whole} other:0:0.00:0:t"));
    assert_eq!(show(&format!("'{root}', 0")).await, "root:0:0.00:0:f");
    assert_eq!(session.sqlstate(&format!("select get_task_tree('{NOBODY}')")).await, "P0002");
    assert_eq!(session.sqlstate("select get_task_tree(null, 101)").await, "22023");
    let path = format!("select path from get_task_tree('{root}') where title = 'a2'");
    assert_eq!(session.text(&path).await, "root > a > a2");
}

#[tokio::test]
async fn completion_has_four_modes() {
    let session = fresh().await;
    let root = session.text("select create_task('root')").await;
    let a = child(&session, "a", &root, 1).await;
    child(&session, "b", &root, 6).await;
    child(&session, "a1", &a, 1).await;
    child(&session, "a2", &a, 3).await;
    session.run("update tasks set status = 'completed' where title in ('b', 'a1')").await;
    for (mode, expected) in
        [("recursive", "75.00"), ("leaf", "66.67"), ("weighted", "70.00"), ("children", "50.00")]
    {
        let sql = format!("select calculate_task_completion('{root}', '{mode}')");
        assert_eq!(session.text(&sql).await, expected, "{mode}");
    }
    let sql = format!("select calculate_task_completion('{root}', 'median')");
    assert_eq!(session.sqlstate(&sql).await, "22023");
}
