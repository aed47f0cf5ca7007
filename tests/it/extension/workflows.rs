//! Workflows: creation, steps, and when a workflow ends.

use serde_json::json;

use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn workflow(session: &Session, total_steps: i32) -> String {
    let sql = format!("select create_workflow(create_task('t'), 'standard', {total_steps})");
    session.text(&sql).await
}

/// The workflow's status after the step.
async fn step(session: &Session, workflow: &str, name: &str, status: &str) -> String {
    let sql = format!("select update_workflow_step('{workflow}', '{name}', '{status}')");
    assert_eq!(session.text(&sql).await, "t");
    column(session, workflow, "status").await
}

async fn column(session: &Session, workflow: &str, column: &str) -> String {
    session.text(&format!("select {column} from workflows where id = '{workflow}'")).await
}

#[tokio::test]
async fn a_workflow_is_stored_as_described() {
    let session = fresh().await;
    let task = session.text("select create_task('t')").await;
    let id = session.text(&format!("select create_workflow('{task}', 'hotfix', 4, 90)")).await;
    let all = "concat_ws('|', task_id, workflow_type, total_steps, timeout_minutes, status)";
    assert_eq!(column(&session, &id, all).await, format!("{task}|hotfix|4|90|initialized"));
}

#[tokio::test]
async fn a_refused_workflow_says_why() {
    let session = fresh().await;
    let task = session.text("select create_task('t')").await;
    for (arguments, sqlstate) in [
        ("null".to_owned(), "22004"),
        (format!("'{task}', 'nightly'"), "22023"),
        (format!("'{task}', p_total_steps => -1"), "22023"),
        (format!("'{task}', p_timeout_minutes => 0"), "22023"),
        (format!("'{task}', p_timeout_minutes => 1441"), "22023"),
    ] {
        let sql = format!("select create_workflow({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    let refusal = session.refusal(&format!("select create_workflow('{NOBODY}')")).await;
    assert_eq!(refusal.sqlstate, "23503");
    assert_eq!(refusal.constraint, "workflows.workflows_task_id_fkey");
}

#[tokio::test]
async fn a_task_has_one_workflow_at_work() {
    let session = fresh().await;
    let task = session.text("select create_task('t')").await;
    let create = format!("select create_workflow('{task}')");
    let first = session.text(&create).await;
    let refusal = session.refusal(&create).await;
    assert_eq!(refusal.sqlstate, "23505");
    assert_eq!(refusal.constraint, "workflows.workflows_active_task_id_key");
    assert_eq!(refusal.detail, json!({ "task_id": task }));
    assert_eq!(step(&session, &first, "final", "completed").await, "completed");
    session.text(&create).await;
}

#[tokio::test]
async fn defect_07_the_first_step_sets_running() {
    let session = fresh().await;
    let id = workflow(&session, 3).await;
    assert_eq!(step(&session, &id, "build", "running").await, "running");
    assert_eq!(column(&session, &id, "current_step").await, "build");
}

#[tokio::test]
async fn defect_07_the_final_step_completes_at_its_first_report() {
    let session = fresh().await;
    let id = workflow(&session, 0).await;
    assert_eq!(step(&session, &id, "build", "completed").await, "running");
    assert_eq!(step(&session, &id, "final", "completed").await, "completed");
    assert_eq!(column(&session, &id, "completed_at is not null").await, "t");
}

#[tokio::test]
async fn defect_07_the_number_of_steps_is_counted() {
    let session = fresh().await;
    let id = workflow(&session, 3).await;
    assert_eq!(step(&session, &id, "build", "completed").await, "running");
    assert_eq!(step(&session, &id, "build", "completed").await, "running");
    assert_eq!(step(&session, &id, "lint", "skipped").await, "running");
    assert_eq!(step(&session, &id, "build", "running").await, "running");
    assert_eq!(step(&session, &id, "test", "completed").await, "running");
    assert_eq!(step(&session, &id, "build", "completed").await, "completed");
}

#[tokio::test]
async fn defect_07_an_ended_workflow_takes_no_more_steps() {
    let session = fresh().await;
    for (last, status) in [(("final", "completed"), "completed"), (("build", "failed"), "failed")] {
        let id = workflow(&session, 3).await;
        assert_eq!(step(&session, &id, last.0, last.1).await, status);
        let before = column(&session, &id, "concat(xmin, ctid)").await;
        let sql = format!("select update_workflow_step('{id}', 'more', 'running')");
        let refusal = session.refusal(&sql).await;
        assert_eq!(refusal.sqlstate, "55000");
        assert_eq!(refusal.detail, json!({ "workflow_id": id, "status": status }));
        assert_eq!(column(&session, &id, "concat(xmin, ctid)").await, before);
    }
    for status in ["cancelled", "timeout"] {
        let id = workflow(&session, 3).await;
        session.run(&format!("update workflows set status = '{status}' where id = '{id}'")).await;
        let sql = format!("select update_workflow_step('{id}', 'more', 'running')");
        assert_eq!(session.sqlstate(&sql).await, "55000");
    }
}

#[tokio::test]
async fn each_report_is_kept() {
    let session = fresh().await;
    let id = workflow(&session, 5).await;
    let sql = format!("select update_workflow_step('{id}', 'one', 'running', '{{\"n\": [1]}}')");
    session.text(&sql).await;
    let sql = format!("select update_workflow_step('{id}', 'two', 'skipped', null, 'odd')");
    session.text(&sql).await;
    assert_eq!(
        column(&session, &id, "(steps_completed -> 0) - 'timestamp'").await,
        r#"{"result": {"n": [1]}, "status": "running", "step_name": "one", "error_message": null}"#
    );
    assert_eq!(column(&session, &id, "steps_completed -> 0 ? 'timestamp'").await, "t");
    assert_eq!(column(&session, &id, "jsonb_array_length(steps_completed)").await, "2");
    let errors = "jsonb_path_query_array(error_log, '$[*].error_message')";
    assert_eq!(column(&session, &id, errors).await, r#"["odd"]"#);
    let sql = format!("select update_workflow_step('{id}', 'three', 'failed')");
    session.text(&sql).await;
    assert_eq!(column(&session, &id, errors).await, r#"["odd", null]"#);
    assert_eq!(column(&session, &id, "completed_at is null").await, "t");
}

#[tokio::test]
async fn the_arguments_of_a_report_are_checked() {
    let session = fresh().await;
    let id = workflow(&session, 5).await;
    for (arguments, sqlstate) in [
        (format!("'{NOBODY}', 'a', 'running'"), "P0002"),
        ("null, 'a', 'running'".to_owned(), "22004"),
        (format!("'{id}', null, 'running'"), "22004"),
        (format!("'{id}', 'a', null"), "22004"),
        (format!("'{id}', '  ', 'running'"), "22023"),
        (format!("'{id}', repeat('x', 101), 'running'"), "22001"),
        (format!("'{id}', 'a', 'done'"), "22023"),
    ] {
        let sql = format!("select update_workflow_step({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
}

#[tokio::test]
async fn the_list_of_reports_is_bounded() {
    let session = fresh().await;
    let id = workflow(&session, 0).await;
    session
        .run(
            "update workflows set steps_completed = (select jsonb_agg(jsonb_build_object( \
             'step_name', n::text, 'status', 'running')) from generate_series(1, 9999) n)",
        )
        .await;
    assert_eq!(step(&session, &id, "last", "running").await, "running");
    let sql = format!("select update_workflow_step('{id}', 'more', 'running')");
    let refusal = session.refusal(&sql).await;
    assert_eq!(refusal.sqlstate, "54000");
    assert_eq!(refusal.detail, json!({ "workflow_id": id, "records_max": 10000 }));
}
