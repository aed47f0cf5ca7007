//! Many metrics in one call, as JSON and as arrays: all of them or none.

use harness::Cluster;

use super::session::{Session, fresh};

const STORED: &str = "select string_agg(concat_ws('|', metric_name, metric_value, component, metric_type, tags, \
     metric_unit, source_system, metric_metadata, recorded_at = '2001-02-03 04:05:06.7+00'), ' ' order by metric_name) \
     from system_metrics";

#[tokio::test]
async fn objects_and_arrays_store_what_single_calls_store() {
    let session = fresh().await;
    session
        .run(
            "select record_metric('a', 1.50, 'c', 'timer', '{\"k\": [1]}', 'ms', 's', \
               '2001-02-03 04:05:06.7+00', '{\"m\": {}}'); select record_metric('b', 2)",
        )
        .await;
    let singly = session.text(STORED).await;
    assert_eq!(singly, "a|1.50|c|timer|{\"k\": [1]}|ms|s|{\"m\": {}}|t b|2|gauge|{}|{}|f");
    session.run("delete from system_metrics").await;
    let objects = "select record_metrics('[{\"metric_name\": \"a\", \"metric_value\": 1.50, \"component\": \"c\", \
        \"metric_type\": \"timer\", \"tags\": {\"k\": [1]}, \"metric_unit\": \"ms\", \"source_system\": \"s\", \
        \"recorded_at\": \"2001-02-03 04:05:06.7+00\", \"metric_metadata\": {\"m\": {}}}, \
        {\"metric_name\": \"b\", \"metric_value\": 2, \"component\": null}]')";
    assert_eq!(session.text(objects).await, "2");
    assert_eq!(session.text(STORED).await, singly);
    session.run("delete from system_metrics").await;
    let arrays = "select record_metric_arrays('{a,b}', '{1.50,2}', '{c,null}', '{timer,null}', \
        array['{\"k\": [1]}', null]::jsonb[], '{ms,null}', '{s,null}', '{2001-02-03 04:05:06.7+00,null}')";
    assert_eq!(session.text(arrays).await, "2");
    let without_metadata = singly.replace("{\"m\": {}}", "{}");
    assert_eq!(session.text(STORED).await, without_metadata);
}

#[tokio::test]
async fn thousands_of_rows_are_spread_over_their_partitions() {
    let session = fresh().await;
    let sql = "select record_metric_arrays(array_agg(('m' || n % 7)::varchar), array_agg(n), \
        p_recorded_at => array_agg(date_trunc('day', now()) - interval '1 day' + n * interval '20 seconds')) \
        from generate_series(1, 5000) n";
    assert_eq!(session.text(sql).await, "5000");
    let spread = "select count(distinct tableoid) || ' ' || sum(metric_value) from system_metrics";
    assert_eq!(session.text(spread).await, "2 12502500");
    let found =
        "select count(*) from system_metrics where metric_name = 'm3' and recorded_at > 'epoch'";
    session.run("set enable_seqscan = off").await;
    assert_eq!(session.text(found).await, "714");
    assert_eq!(session.text("select count(*) from system_metrics_default").await, "0");
}

#[tokio::test]
async fn one_bad_row_refuses_all_and_says_which() {
    let session = fresh().await;
    let good = "{\"metric_name\": \"a\", \"metric_value\": 1}";
    for (bad, sqlstate, message) in [
        ("{\"metric_value\": 1}", "22004", "row 1: p_metric_name must not be null"),
        ("{\"metric_name\": \"a\"}", "22004", "row 1: p_metric_value must not be null"),
        (
            "{\"metric_name\": \"a\", \"metric_value\": \"1\"}",
            "22023",
            "row 1: metric_value must be a number",
        ),
        (
            "{\"metric_name\": 1, \"metric_value\": 1}",
            "22023",
            "row 1: metric_name must be a string",
        ),
        ("{\"name\": \"a\"}", "22023", "row 1: \"name\" is not a key of a metric"),
        (
            "{\"metric_name\": \"a\", \"metric_value\": 1, \"tags\": []}",
            "22023",
            "row 1: p_tags must be a JSON object",
        ),
        (
            "{\"metric_name\": \"a\", \"metric_value\": 1, \"tags\": 1}",
            "22023",
            "row 1: tags must be an object",
        ),
        (
            "{\"metric_name\": \"\", \"metric_value\": 1}",
            "22023",
            "row 1: p_metric_name must not be blank",
        ),
    ] {
        let refusal = session.refusal(&format!("select record_metrics('[{good}, {bad}]')")).await;
        assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), (sqlstate, message));
        assert_eq!(refusal.detail["row"], 1, "{bad}");
    }
    let at = "[{\"metric_name\": \"a\", \"metric_value\": 1, \"recorded_at\": \"soon\"}]";
    assert_eq!(session.sqlstate(&format!("select record_metrics('{at}')")).await, "22007");
    assert_eq!(session.text("select count(*) from system_metrics").await, "0");
}

#[tokio::test]
async fn what_is_no_list_or_too_long_is_refused() {
    let session = fresh().await;
    for (call, sqlstate) in [
        ("record_metrics(null)", "22004"),
        ("record_metrics('{}')", "22023"),
        ("record_metrics('1')", "22023"),
        ("record_metrics('[1]')", "22023"),
        ("record_metrics('[[]]')", "22023"),
        ("record_metrics((select jsonb_agg('{}'::jsonb) from generate_series(1, 10001)))", "54000"),
        ("record_metric_arrays(null, '{1}')", "22004"),
        ("record_metric_arrays('{a}', null)", "22004"),
        ("record_metric_arrays('{a,b}', '{1}')", "2202E"),
        ("record_metric_arrays('{a}', '{1}', p_tags => '{}')", "2202E"),
        ("record_metric_arrays('{a}', '{NaN}')", "22023"),
        ("record_metric_arrays('{a}', '{1}', p_recorded_at => '{infinity}')", "22023"),
        (
            "record_metric_arrays(array_fill('a'::varchar, '{10001}'), array_fill(1::numeric, '{10001}'))",
            "54000",
        ),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
    assert_eq!(session.text("select record_metrics('[]')").await, "0");
    assert_eq!(session.text("select record_metric_arrays('{}', '{}')").await, "0");
}

#[tokio::test]
async fn a_table_with_triggers_is_written_by_plan_once() {
    let session = fresh().await;
    session
        .run(
            "create function quiet() returns trigger language plpgsql as $$ begin return new; end $$; \
             create trigger t before insert on system_metrics for each row execute function quiet()",
        )
        .await;
    let sql = "select record_metric_arrays(array_agg('m'::varchar), array_agg(n)) from generate_series(1, 50) n";
    assert_eq!(session.text(sql).await, "50");
    assert_eq!(session.text("select count(*) from system_metrics").await, "50");
}

#[tokio::test]
async fn constraints_and_foreign_keys_hold_for_each_row() {
    let session = fresh().await;
    session
        .run(
            "create table known (name varchar(100) primary key); insert into known values ('a'), ('b'); \
             alter table system_metrics add foreign key (metric_name) references known, \
             add check (metric_value < 10); \
             create unique index on system_metrics (metric_name, metric_value, recorded_at)",
        )
        .await;
    for (arrays, sqlstate) in [
        ("'{a,c}', '{1,2}'", "23503"),
        ("'{a,b}', '{1,10}'", "23514"),
        ("'{a,b,a}', '{1,2,1}'", "23505"),
    ] {
        let sql = format!("select record_metric_arrays({arrays})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{arrays}");
    }
    assert_eq!(session.text("select record_metric_arrays('{a,b}', '{1,2}')").await, "2");
}

#[tokio::test]
async fn a_caller_without_rights_is_refused() {
    let database = Cluster::shared().await.database().await;
    let session = Session::open(&database).await;
    session
        .run(
            "do $$ begin create role batch_acl; exception when duplicate_object then null; end $$; \
             grant usage on schema taskmaster to batch_acl; \
             grant execute on all functions in schema taskmaster to batch_acl; set role batch_acl",
        )
        .await;
    assert_eq!(session.sqlstate("select record_metric_arrays('{a}', '{1}')").await, "42501");
}
