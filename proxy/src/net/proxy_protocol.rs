//! The header by which a load balancer says whom it passes on: PROXY protocol version 2 (HAProxy, doc/proxy-protocol.txt,
//! section 2.2). To be believed only from whoever is known to send it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const HEAD_LEN: usize = 16;
/// Addresses and extensions of one header; the specification's own examples stay below 1,000 bytes.
const BODY_LEN_MAX: usize = 4_096;
/// Version 2, the connection of somebody else, and one of the sender's own, such as a health check.
const PROXY: u8 = 0x21;
const LOCAL: u8 = 0x20;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Why a header is none.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The stream begins otherwise.
    #[error("no PROXY protocol header of version 2 at the beginning")]
    Missing,
    /// It is longer than any that makes sense.
    #[error("a PROXY protocol header of {0} bytes")]
    TooLong(usize),
    /// It holds less than it says.
    #[error("a PROXY protocol header that is cut off")]
    Short,
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads the header. Gives whom the sender passes on; none when the connection is its own, or over no TCP.
///
/// # Errors
/// [`ProxyHeaderError`]: the connection is to be closed.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed. The caller bounds the time.
pub async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut head = [0; HEAD_LEN];
    stream.read_exact(&mut head).await.map_err(missing)?;
    if head[..SIGNATURE.len()] != SIGNATURE || ![PROXY, LOCAL].contains(&head[12]) {
        return Err(ProxyHeaderError::Missing);
    }
    let len = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if len > BODY_LEN_MAX {
        return Err(ProxyHeaderError::TooLong(len));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    match head[12] {
        PROXY => source(head[13], &body),
        _ => Ok(None),
    }
}

/// The first address and port; those of the destination are between and behind.
fn source(family: u8, body: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let address = match family {
        TCP4 => body.first_chunk::<12>().map(|all| {
            let [a, b, c, d, _, _, _, _, port @ .., _, _] = *all;
            SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes(port))
        }),
        TCP6 => body.first_chunk::<36>().and_then(|all| {
            let ip = Ipv6Addr::from(*all.first_chunk::<16>()?);
            let port = u16::from_be_bytes([all[32], all[33]]);
            Some(SocketAddr::new(IpAddr::from(ip).to_canonical(), port))
        }),
        _ => return Ok(None),
    };
    address.map(Some).ok_or(ProxyHeaderError::Short)
}

/// A client that has sent less than a header has sent none.
fn missing(error: io::Error) -> ProxyHeaderError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ProxyHeaderError::Missing,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, body].concat()
    }

    #[tokio::test]
    async fn the_source_is_read_and_what_follows_is_left() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x9C, 0x40, 0x19, 0x20];
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[32..34].copy_from_slice(&[0x9C, 0x40]);
        let extended = [&v4[..], &[0x04, 0, 1, 0xFF]].concat();
        for (bytes, address) in [
            (header(PROXY, TCP4, &v4), Some("203.0.113.7:40000")),
            (header(PROXY, TCP4, &extended), Some("203.0.113.7:40000")),
            (header(PROXY, TCP6, &v6), Some("[2001::]:40000")),
            (header(LOCAL, 0, &[]), None),
            (header(LOCAL, TCP4, &v4), None),
            (header(PROXY, 0x31, &[0; 216]), None),
        ] {
            let stream = [bytes, b"rest".to_vec()].concat();
            let mut left = stream.as_slice();
            let read = read(&mut left).await.unwrap();
            assert_eq!(read, address.map(|address| address.parse().unwrap()));
            assert_eq!(left, b"rest");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let whole = header(PROXY, TCP4, &[0; 12]);
        for cut in 0..whole.len() {
            assert!(read(&mut &whole[..cut]).await.is_err(), "cut at {cut}");
        }
        for bytes in [
            header(0x11, TCP4, &[0; 12]),
            header(PROXY, TCP4, &[0; 11]),
            header(PROXY, TCP4, &[0; BODY_LEN_MAX + 1]),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(),
            vec![0; 64],
        ] {
            assert!(read(&mut bytes.as_slice()).await.is_err());
        }
    }
}
