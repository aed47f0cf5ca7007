//! Where clients come in: addresses, the unix socket, other processes.

use super::numbers::whole;
use super::source::Given;
use super::{Carrier, ImportError};

pub(super) fn carry(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    addresses(carrier);
    let port = carrier.setting("listen_port");
    let number = whole(&port)?;
    if !(1..=65_535).contains(&number) {
        return Err(port.refuse("give a port, 1 to 65535"));
    }
    carrier.set("listen.port", number, &port.origin());
    unix_socket(carrier)?;
    peers(carrier);
    Ok(())
}

fn addresses(carrier: &mut Carrier<'_>) {
    let given = carrier.setting("listen_addr");
    let hosts: Vec<_> =
        given.value.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    if hosts.is_empty() {
        let why = "TCP cannot be turned off";
        carrier.leave(
            &given,
            why,
            "127.0.0.1 was written; let the firewall close the port if that matters",
        );
        return carrier.set("listen.host", "127.0.0.1", "listen_addr is not set");
    }
    let all = hosts.contains(&"*");
    let hosts = if all { "0.0.0.0, ::".to_owned() } else { hosts.join(", ") };
    carrier.set("listen.host", hosts, &given.origin());
}

fn unix_socket(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let dir = carrier.setting("unix_socket_dir");
    match dir.value.as_str() {
        "" => return Ok(()),
        name if name.starts_with('@') => {
            let why = "there are no unix sockets outside of the file system";
            carrier.leave(&dir, why, "name a directory in listen.unix_socket_dir");
            return Ok(());
        }
        path => carrier.set("listen.unix_socket_dir", path, &dir.origin()),
    }
    let mode = carrier.setting("unix_socket_mode");
    if i64::from_str_radix(mode.value.trim_start_matches("0o"), 8) != Ok(0o777) {
        let instead = "give the directory such a mode";
        carrier.leave(&mode, "everybody may use the socket file, and has to log in", instead);
    }
    let group = carrier.setting("unix_socket_group");
    if !group.value.is_empty() {
        carrier.leave(&group, "the socket file keeps its group", "give the directory this group");
    }
    Ok(())
}

fn peers(carrier: &mut Carrier<'_>) {
    let id = carrier.setting("peer_id");
    carrier.pass_over(&id, "processes number themselves");
    let others = carrier.source.peers.iter().filter(|peer| peer.name != id.value);
    let others: Vec<Given> = others.filter_map(|peer| peer.get("peers", "host")).collect();
    let instead = "listen.workers for more cores; processes of one host share listen.peer_dir";
    for peer in &others {
        carrier.leave(peer, "cancel requests are not passed between hosts", instead);
    }
}
