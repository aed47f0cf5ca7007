//! Which TCP ports are free, and who holds one that is not.
//!
//! Must not know what a port is wanted for.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;

use super::EmbeddedError;

/// The private server's ports: outside the range that Linux hands out to outgoing connections (32768 to 60999).
const FIRST: u16 = 15432;
const LAST: u16 = 15631;

/// Refuses a port of `host` that cannot be listened on.
///
/// # Errors
/// [`EmbeddedError::PortInUse`] with its holder, or [`EmbeddedError::PortRefused`].
pub(super) fn require_free(host: IpAddr, port: u16) -> Result<(), EmbeddedError> {
    match TcpListener::bind(SocketAddr::new(host, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let by = holder(port).map_or_else(String::new, |name| format!(" by {name}"));
            Err(EmbeddedError::PortInUse { host: host.to_string(), port, by })
        }
        Err(source) => Err(EmbeddedError::PortRefused { host: host.to_string(), port, source }),
    }
}

/// `remembered` if it is free, or else the first free port of the private server's range. It is reserved among all
/// `taskmaster up` of the machine until this process ends, because the server binds it only later.
///
/// # Errors
/// [`EmbeddedError::NoFreePort`] when all are taken.
pub(super) fn choose(host: IpAddr, remembered: Option<u16>) -> Result<u16, EmbeddedError> {
    let free = |port: &u16| {
        TcpListener::bind(SocketAddr::new(host, *port)).is_ok() && reserve(*port).is_ok()
    };
    let found = remembered.into_iter().chain(FIRST..=LAST).find(free);
    found.ok_or(EmbeddedError::NoFreePort { first: FIRST, last: LAST })
}

/// Takes a name that one process at a time can have and that the system takes back when it ends.
fn reserve(port: u16) -> io::Result<()> {
    let name = format!("taskmaster-up-port-{port}");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    match UnixListener::bind_addr(&address) {
        Ok(reservation) => {
            // Kept open on purpose: it is given back with the process.
            std::mem::forget(reservation);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // Where there is no such namespace there is no reservation either; the bind itself still decides.
        Err(_) => Ok(()),
    }
}

/// `name (pid n)` of the process that listens on `port`, if /proc lets us see it.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| inodes.iter().any(|inode| holds(*pid, inode)))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (pid {pid})", name.trim()))
}

/// The socket inodes in state LISTEN (0A); the columns are described in proc(5).
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let listens = |line: &&str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1).and_then(|address| address.rsplit_once(':'));
        let same = local.and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok()) == Some(port);
        same && fields.nth(1) == Some("0A")
    };
    let lines = table.lines().skip(1).filter(listens);
    lines.filter_map(|line| line.split_whitespace().nth(9).map(str::to_owned)).collect()
}

fn holds(pid: u32, inode: &str) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    links.any(|link| link.as_os_str() == wanted.as_str())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_in_use_is_refused_with_the_name_of_its_holder() {
        let held = TcpListener::bind((HOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let text = require_free(HOST, port).unwrap_err().to_string();
        let own = format!("(pid {})", std::process::id());
        assert!(text.contains(&own) && text.contains("--port"), "{text}");
    }

    #[test]
    fn a_remembered_port_that_is_taken_gives_way_to_a_free_one() {
        let held = TcpListener::bind((HOST, 0)).unwrap();
        let taken = held.local_addr().unwrap().port();
        let chosen = choose(HOST, Some(taken)).unwrap();
        assert!((FIRST..=LAST).contains(&chosen));
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st\n\
             0: 0100007F:1920 00000000:0000 0A 0:0 0:0 0 0 0 4711 1 0\n\
             1: 0100007F:1920 0100007F:9999 01 0:0 0:0 0 0 0 4712 1 0\n\
             2: 0100007F:1921 00000000:0000 0A 0:0 0:0 0 0 0 4713 1 0\n";
        assert_eq!(listening_inodes(table, 6432), ["4711"]);
    }
}
