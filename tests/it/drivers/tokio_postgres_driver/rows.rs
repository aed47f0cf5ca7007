//! Queries and their rows: values, statements, pipelines, transactions, portals, COPY.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Statement};

use super::Seen;

pub(super) async fn queries(client: &Client, seen: &mut Seen) {
    seen.say("simple", client.simple_query("select 1 as one; select 'two' as two").await.unwrap());
    let sql = "select $1::int + $2::int, $3::text, $4::bytea, $5::int[], $6::jsonb, $7::text[], \
               $8::float8, null::text";
    let statement = client.prepare(sql).await.unwrap();
    seen.say("parameters", statement.params());
    let columns = statement.columns().iter().map(|column| (column.name(), column.type_()));
    seen.say("columns", columns.collect::<Vec<_>>());
    let number = seen.int();
    for step in 0..3_i32 {
        let (bytes, array) = (&b"\x00\xff"[..], vec![Some(1), None, Some(step)]);
        let (json, words) = (Json(serde_json::json!({"a": [1, null]})), vec![Some("a"), None]);
        let parameters: [&(dyn ToSql + Sync); 8] =
            [&number, &step, &"é\n", &bytes, &array, &json, &words, &1.5_f64];
        let row = client.query_one(&statement, &parameters).await.unwrap();
        seen.say("prepared", (row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, &[u8]>(2)));
        seen.say("prepared", (row.get::<_, Vec<Option<i32>>>(3), row.get::<_, Option<&str>>(7)));
        seen.say("prepared", row.get::<_, Json<serde_json::Value>>(4).0.to_string());
        seen.say("prepared", (row.get::<_, Vec<Option<&str>>>(5), row.get::<_, f64>(6)));
    }
    let rows = client.query_typed("select $1", &[(&number, Type::INT4)]).await.unwrap();
    seen.say("unprepared", rows[0].get::<_, i32>(0));
}

/// The same text prepared many times, and more texts than a server connection of the proxy keeps.
pub(super) async fn statements(client: &Client, seen: &mut Seen) {
    let number = seen.int();
    let mut kept: Vec<Statement> = Vec::new();
    for step in 0..150 {
        let sql = format!("select $1::int + {}", step % 140);
        kept.push(client.prepare(&sql).await.unwrap());
    }
    let mut sum = 0;
    for statement in kept.iter().rev() {
        sum += client.query_one(statement, &[&number]).await.unwrap().get::<_, i32>(0);
    }
    seen.say("statements", sum);
    kept.truncate(1);
    seen.state("a broken statement", client.prepare("selec 1").await);
    client.batch_execute("deallocate all").await.unwrap();
    seen.state("after deallocate all", client.query_one(&kept[0], &[&number]).await);
    seen.state("a new one", client.query_one("select $1::int", &[&number]).await);
}

pub(super) async fn pipelines(client: &Client, seen: &mut Seen) {
    let (one, two, three) = tokio::join!(
        client.query_one("select 1", &[]),
        client.query_one("select 1 / 0", &[]),
        client.query_one("select 3", &[]),
    );
    seen.say("pipelined", (one.unwrap().get::<_, i32>(0), three.unwrap().get::<_, i32>(0)));
    seen.state("pipelined", two);
    let statement = client.prepare("select $1::int * 2").await.unwrap();
    let parameters: Vec<i32> = (0..50).collect();
    let all = parameters.iter().map(|parameter| async {
        client.query_one(&statement, &[parameter]).await.unwrap().get::<_, i32>(0)
    });
    seen.say("pipelined", futures_util::future::join_all(all).await.iter().sum::<i32>());
}

pub(super) async fn transactions(client: &mut Client, seen: &mut Seen) {
    let table = seen.table.clone();
    let insert = format!("insert into {table} values ($1, $2)");
    let mut open = client.transaction().await.unwrap();
    let sql = format!("create table {table} (id int primary key, word text)");
    open.batch_execute(&sql).await.unwrap();
    seen.say("insert", open.execute(&insert, &[&1_i32, &"kept"]).await.unwrap());
    let savepoint = open.savepoint("nested").await.unwrap();
    seen.state("twice", savepoint.execute(&insert, &[&1_i32, &"twice"]).await);
    savepoint.rollback().await.unwrap();
    open.commit().await.unwrap();

    let open = client.transaction().await.unwrap();
    open.execute(&insert, &[&2_i32, &"lost"]).await.unwrap();
    seen.state("error", open.query("select 1 / $1::int", &[&0_i32]).await);
    seen.state("after the error", open.query("select 1", &[]).await);
    // It rolls back by itself.
    drop(open);
    seen.state("twice", client.execute(&insert, &[&1_i32, &"twice"]).await);
    seen.ask(client, &format!("select count(*) from {table}")).await;

    let strict = client.build_transaction().isolation_level(IsolationLevel::Serializable);
    let open = strict.read_only(true).deferrable(true).start().await.unwrap();
    let level = open.query_one("show transaction_isolation", &[]).await.unwrap();
    seen.say("isolation", level.get::<_, &str>(0));
    seen.state("read only", open.execute(&insert, &[&2_i32, &"refused"]).await);
    open.rollback().await.unwrap();
}

pub(super) async fn portals(client: &mut Client, seen: &mut Seen) {
    let open = client.transaction().await.unwrap();
    let sql = "select n from generate_series(1, $1::int) n";
    let (one, two) = (open.bind(sql, &[&20_i32]).await, open.bind(sql, &[&9_i32]).await);
    let (one, two) = (one.unwrap(), two.unwrap());
    for (portal, limit) in [(&one, 6), (&two, 3), (&one, 6), (&two, 100), (&one, 0)] {
        let rows = open.query_portal(portal, limit).await.unwrap();
        seen.say("portal", rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>());
    }
    open.commit().await.unwrap();
    let sql = "declare held cursor with hold for select generate_series(1, 4)";
    client.batch_execute(sql).await.unwrap();
    seen.ask(client, "fetch held").await;
    seen.ask(client, "fetch relative 2 from held").await;
    client.batch_execute("close held").await.unwrap();
    seen.state("closed", client.simple_query("fetch held").await);
}

pub(super) async fn copies(client: &Client, seen: &mut Seen) {
    let table = seen.table.clone();
    let sink = client.copy_in::<_, Bytes>(&format!("copy {table} from stdin")).await.unwrap();
    pin_mut!(sink);
    for id in 10..15 {
        sink.send(Bytes::from(format!("{id}\trow {id}\n"))).await.unwrap();
    }
    seen.say("copied in", sink.finish().await.unwrap());
    for form in ["text", "csv", "binary"] {
        let chosen = format!("(select * from {table} order by id)");
        let sql = format!("copy {chosen} to stdout (format {form})");
        let chunks: Vec<Bytes> = client.copy_out(&sql).await.unwrap().try_collect().await.unwrap();
        seen.say("copied out", chunks);
    }
    binary_copies(client, &table, seen).await;

    let sink = client.copy_in::<_, Bytes>(&format!("copy {table} from stdin")).await.unwrap();
    let mut sink = Box::pin(sink);
    sink.send(Bytes::from_static(b"not a number\tx\n")).await.unwrap();
    seen.state("refused copy", sink.as_mut().finish().await);
    // A sink that is dropped gives the copy up.
    let given_up = client.copy_in::<_, Bytes>(&format!("copy {table} from stdin")).await.unwrap();
    drop(given_up);
    seen.ask(client, &format!("select count(*) from {table}")).await;
}

async fn binary_copies(client: &Client, table: &str, seen: &mut Seen) {
    let types = [Type::INT4, Type::TEXT];
    let sql = format!("copy {table} from stdin (format binary)");
    let writer = BinaryCopyInWriter::new(client.copy_in(&sql).await.unwrap(), &types);
    pin_mut!(writer);
    for id in 20..25_i32 {
        writer.as_mut().write(&[&id, &(id % 2 == 0).then_some("é\n")]).await.unwrap();
    }
    seen.say("copied in", writer.finish().await.unwrap());
    let sql = format!("copy (select * from {table} where id > 19 order by id) to stdout binary");
    let rows = BinaryCopyOutStream::new(client.copy_out(&sql).await.unwrap(), &types);
    pin_mut!(rows);
    while let Some(row) = rows.next().await {
        let row = row.unwrap();
        seen.say("copied out", (row.get::<i32>(0), row.get::<Option<&str>>(1)));
    }
}
