//! How many connections there may be: the reserve of a pool.

use harness::{message, wait};

use crate::support::{create_role, proxied, run, value};

#[tokio::test]
async fn a_client_that_waits_too_long_opens_the_reserve_and_it_goes_when_nobody_waits() {
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.reserve", 1)
            .set("pool.reserve_after_ms", 200);
    })
    .await;
    create_role(&database, "limits_reserve", "x").await;
    let login = harness::raw::Login {
        user: "limits_reserve".into(),
        password: "x".into(),
        ..harness::proxy::login(&database)
    };
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(harness::raw::RawClient::login(proxy.port, &login).await);
    }
    let [holder, helped, last] = &mut clients[..] else { unreachable!("three clients") };
    run(holder, &["begin"]).await;
    run(helped, &["begin"]).await;
    last.send(&message::query("select 'waits for both'")).await;
    let admin = cluster.admin().await;
    let open = "select count(*) from pg_stat_activity where usename = 'limits_reserve'";
    assert_eq!(value(&admin, open).await, "2");
    run(helped, &["commit"]).await;
    last.read_until_ready().await;
    wait::until("the reserve is closed", || async { value(&admin, open).await == "1" }).await;
    run(holder, &["commit"]).await;
}
