//! Named prepared statements in transaction mode: shared between clients, parsed once for each
//! server connection, bounded, and never mixed up.

use harness::{message, wait};
use tokio_postgres::types::Type;

use crate::support::{backend_pid, proxied, proxied_by, value};

/// How many statements with this text the server connection of a pool of one holds.
fn count_of(sql: &str) -> String {
    let text = sql.replace('\'', "''");
    format!("select count(*) from pg_prepared_statements where statement = '{text}'")
}

#[tokio::test]
async fn the_same_statement_of_many_clients_is_parsed_once() {
    let (_, database, proxy) = proxied_by(1).await;
    let sql = "select $1::int * 2";
    let mut clients = Vec::new();
    for number in 0..10_i32 {
        let client = proxy.connect(&database).await;
        let statement = client.prepare(sql).await.unwrap();
        let row = client.query_one(&statement, &[&number]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), number * 2);
        clients.push((client, statement));
    }
    assert_eq!(value(&clients[0].0, &count_of(sql)).await, "1");
    for (client, statement) in &clients {
        let row = client.query_one(statement, &[&21_i32]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 42);
    }
    assert_eq!(value(&clients[0].0, &count_of(sql)).await, "1");
}

#[tokio::test]
async fn the_same_text_with_other_parameter_types_is_another_statement() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    let sql = "select pg_typeof($1)::text";
    let number = client.prepare_typed(sql, &[Type::INT8]).await.unwrap();
    let text = client.prepare_typed(sql, &[Type::TEXT]).await.unwrap();
    let row = client.query_one(&number, &[&1_i64]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "bigint");
    let row = client.query_one(&text, &[&"1"]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "text");
}

#[tokio::test]
async fn the_same_text_under_another_search_path_is_another_statement() {
    let (_, database, proxy) = proxied_by(1).await;
    let [one, two] = [proxy.connect(&database).await, proxy.connect(&database).await];
    let sql = "create schema one; create schema two; \
               create table one.t as select 'one' as name; create table two.t as select 'two' as name";
    one.batch_execute(sql).await.unwrap();
    for (client, name) in [(&one, "one"), (&two, "two")] {
        client.batch_execute(&format!("begin; set local search_path = {name}")).await.unwrap();
        let statement = client.prepare("select name from t").await.unwrap();
        let row = client.query_one(&statement, &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), name);
        client.batch_execute("commit").await.unwrap();
    }
}

#[tokio::test]
async fn a_prepared_statement_follows_its_client_to_another_server_connection() {
    let (_, database, proxy) = proxied_by(2).await;
    let client = proxy.connect(&database).await;
    let statement = client.prepare("select $1::text || '!'").await.unwrap();
    let first = backend_pid(&client).await;
    // Somebody else takes that connection and keeps it.
    let holder = loop {
        let holder = proxy.connect(&database).await;
        holder.batch_execute("begin").await.unwrap();
        if backend_pid(&holder).await == first {
            break holder;
        }
        holder.batch_execute("commit").await.unwrap();
        // The pool preferred the other connection; hold that one for a moment to get this one.
        let other = proxy.connect(&database).await;
        other.batch_execute("begin").await.unwrap();
        holder.batch_execute("begin").await.unwrap();
        other.batch_execute("commit").await.unwrap();
        if backend_pid(&holder).await == first {
            break holder;
        }
        holder.batch_execute("commit").await.unwrap();
    };
    let row = client.query_one(&statement, &[&"moved"]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "moved!");
    assert_ne!(backend_pid(&client).await, first);
    holder.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn statements_on_a_server_connection_are_bounded_and_come_back_when_needed() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.min", 1).set("pool.max", 1).set("pool.statements_max", 5);
    })
    .await;
    let client = proxy.connect(&database).await;
    // In a function's text the proxy does not see that the client asks for its own statements.
    let look = "create function kept() returns bigint language sql as \
                'select count(*) from pg_prepared_statements'";
    client.batch_execute(look).await.unwrap();
    let mut statements = Vec::new();
    for number in 0..20_i32 {
        let sql = format!("select $1::int + {number}");
        statements.push((number, client.prepare(&sql).await.unwrap()));
    }
    for (number, statement) in statements.iter().chain(statements.iter().rev()) {
        let row = client.query_one(statement, &[&1_i32]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), number + 1);
    }
    let kept = value(&client, "select kept()").await;
    let kept: u32 = kept.parse().unwrap();
    assert_eq!(kept, 5, "as many as are kept");
}

#[tokio::test]
async fn more_statements_in_one_pipeline_than_are_kept() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.min", 1).set("pool.max", 1).set("pool.statements_max", 3);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    let mut pipeline = Vec::new();
    for (number, name) in names.iter().enumerate() {
        pipeline.extend(message::parse(name, &format!("select {number}")));
    }
    for name in names.iter().chain(&names) {
        pipeline.extend([message::bind(name, &[]), message::execute("", 0)].concat());
    }
    pipeline.extend(message::sync());
    client.send(&pipeline).await;
    let replies = client.read_until_ready().await;
    let rows: Vec<_> = replies.iter().filter(|reply| reply.tag == b'D').collect();
    let values: Vec<_> = rows.iter().map(|row| row.columns()[0].clone().unwrap()).collect();
    let expected: Vec<_> = (0..10).chain(0..10).map(|number| number.to_string()).collect();
    assert_eq!(values, expected, "{replies:?}");
}

#[tokio::test]
async fn an_unnamed_statement_belongs_to_its_client() {
    let (_, database, proxy) = proxied_by(1).await;
    let (mut one, mut two) = (proxy.raw(&database).await, proxy.raw(&database).await);
    for (client, sql) in [(&mut one, "select 'one'"), (&mut two, "select 'two'")] {
        client.send(&[message::parse("", sql), message::sync()].concat()).await;
        client.read_until_ready().await;
    }
    for expected in ["one", "two", "one"] {
        let client = if expected == "one" { &mut one } else { &mut two };
        let run = [message::bind("", &[]), message::execute("", 0), message::sync()].concat();
        client.send(&run).await;
        let replies = client.read_until_ready().await;
        let row = replies.iter().find(|reply| reply.tag == b'D');
        let row = row.unwrap_or_else(|| panic!("{expected}: {replies:?}"));
        assert_eq!(row.columns(), [Some(expected.to_owned())]);
    }
}

#[tokio::test]
async fn a_statement_closed_by_one_client_lives_on_for_another() {
    let (_, database, proxy) = proxied_by(1).await;
    let sql = "select 'shared'";
    let (mut one, mut two) = (proxy.raw(&database).await, proxy.raw(&database).await);
    for client in [&mut one, &mut two] {
        client.send(&[message::parse("s", sql), message::sync()].concat()).await;
        client.read_until_ready().await;
    }
    one.send(&[message::close(b'S', "s"), message::sync()].concat()).await;
    one.read_until_ready().await;
    let run = [message::bind("s", &[]), message::execute("", 0), message::sync()].concat();
    two.send(&run).await;
    let replies = two.read_until_ready().await;
    assert!(replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    one.send(&run).await;
    let replies = one.read_until_ready().await;
    assert_eq!(replies[0].sqlstate(), Some("26000"), "{replies:?}");
}

#[tokio::test]
async fn deallocate_all_by_one_client_does_not_break_another() {
    let (_, database, proxy) = proxied_by(1).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    let statement = two.prepare("select $1::int").await.unwrap();
    one.batch_execute("deallocate all").await.unwrap();
    one.batch_execute("discard all").await.unwrap();
    let row = two.query_one(&statement, &[&7_i32]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
}

#[tokio::test]
async fn statements_survive_a_server_connection_that_died() {
    let (cluster, database, proxy) = proxied_by(1).await;
    proxy.expect_log("");
    let client = proxy.connect(&database).await;
    let statement = client.prepare("select $1::int").await.unwrap();
    cluster.kill_backends(&database.name).await;
    wait::until("the statement works on a new server connection", || async {
        client.query_one(&statement, &[&7_i32]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn many_clients_with_many_statements_at_once() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.min", 1).set("pool.max", 2).set("pool.statements_max", 4);
    })
    .await;
    let mut tasks = Vec::new();
    for number in 0..12_i32 {
        let client = proxy.connect(&database).await;
        tasks.push(tokio::spawn(async move {
            let mut statements = Vec::new();
            for offset in 0..6_i32 {
                let sql = format!("select $1::int + {}", (number + offset) % 9);
                statements.push((offset, client.prepare(&sql).await.unwrap()));
            }
            for round in 0..5_i32 {
                for (offset, statement) in &statements {
                    let row = client.query_one(statement, &[&round]).await.unwrap();
                    assert_eq!(row.get::<_, i32>(0), round + (number + offset) % 9);
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
