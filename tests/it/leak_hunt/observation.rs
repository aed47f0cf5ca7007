//! Runs a program and writes down what its client saw, in a form in which PostgreSQL and the proxy
//! are compared: without process ids, object ids, and the order of reported settings.

use harness::message::{Message, terminate};
use harness::raw::{Login, RawClient, parameter};

use super::program::{Ending, Program, Step, watch};

/// In a failed transaction PostgreSQL describes a statement that gives no rows, and refuses any other. The proxy cannot have a
/// server connection prepare it there that does not have it: then it is refused.
const DESCRIBED_IN_VAIN: &str = "described in a failed transaction, or not";

/// What one step, or the login, was answered with: one line for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// What was sent.
    pub(super) label: String,
    /// What came back.
    pub(super) lines: Vec<String>,
}

/// Runs `program` on a connection of its own.
pub(super) async fn observe(port: u16, login: Login, program: Program) -> Vec<Seen> {
    let mut client = RawClient::connect(port).await;
    let greeting = client.log_in(&login, program.startup).await;
    let mut lines = match greeting {
        Ok(greeting) => greeting.parameters.iter().map(|pair| format!("{pair:?}")).collect(),
        Err(error) => vec![format!("{error:?}")],
    };
    lines.sort();
    let mut seen = vec![Seen { label: format!("login {:?}", program.startup), lines }];
    seen.push(ask(&mut client, &program.watch(true)).await);
    for step in &program.steps {
        seen.push(ask(&mut client, step).await);
        seen.push(ask(&mut client, &program.watch(false)).await);
    }
    if program.ending == Ending::Goodbye {
        client.send(&terminate()).await;
    }
    seen
}

/// What is left on the server connections when all clients are gone: as many clients as there are connections
/// look at the same time.
pub(super) async fn inspect(port: u16, login: &Login) -> Vec<Seen> {
    let mut clients = [RawClient::login(port, login).await, RawClient::login(port, login).await];
    for client in &mut clients {
        client.query("begin").await;
    }
    let mut seen = Vec::new();
    for client in &mut clients {
        seen.push(ask(client, &watch()).await);
        client.send(&terminate()).await;
    }
    seen
}

async fn ask(client: &mut RawClient, step: &Step) -> Seen {
    client.send(&step.bytes).await;
    let mut lines = Vec::new();
    for _ in 0..step.ready_count {
        lines.extend(described(&client.read_until_ready().await));
    }
    if step.label.starts_with("describe ") && lines.last().is_some_and(|line| line == "Z E") {
        lines = vec![DESCRIBED_IN_VAIN.to_owned()];
    }
    Seen { label: step.label.clone(), lines }
}

/// The messages up to one ReadyForQuery. PostgreSQL reports settings in the order in which it
/// happens to keep them, so that they are sorted here.
fn described(messages: &[Message]) -> Vec<String> {
    let is_parameter = |message: &&Message| message.tag == b'S';
    let mut lines: Vec<String> =
        messages.iter().filter(|message| !is_parameter(message)).map(line).collect();
    // Before an error in the plan of a statement to be described, PostgreSQL has told its parameters. Where the server
    // connection does not have the statement yet, the proxy prepares it first, and that is what fails.
    let is_void = |pair: &[String]| pair[0].starts_with("t ") && pair[1].starts_with("E ");
    if let Some(place) = lines.windows(2).position(is_void) {
        lines.remove(place);
    }
    let mut parameters: Vec<String> = messages.iter().filter(is_parameter).map(line).collect();
    parameters.sort();
    lines.extend(parameters);
    lines
}

fn line(message: &Message) -> String {
    let text = match message.tag {
        b'S' => format!("{:?}", parameter(message)),
        b'D' => format!("{:?}", message.columns()),
        // The process id of the notifier comes first.
        b'A' => String::from_utf8_lossy(&message.body[4..]).into_owned(),
        b'T' => format!("{:?}", columns(&message.body)),
        b'E' | b'N' => fields(message),
        _ => String::from_utf8_lossy(&message.body).into_owned(),
    };
    format!("{} {}", message.tag as char, text.replace('\0', "|"))
}

/// An error or a notice without the place in PostgreSQL's sources that raised it: a failed
/// transaction refuses the Parse that the proxy adds where it would have refused the Describe.
fn fields(message: &Message) -> String {
    let fields = message.body.split(|byte| *byte == 0);
    let fields = fields.filter(|field| !matches!(field.first(), Some(b'F' | b'L' | b'R')));
    fields.map(String::from_utf8_lossy).collect::<Vec<_>>().join("|")
}

/// Name and type of each column of a RowDescription: the number of the table is not the same in two
/// databases.
fn columns(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rest = &body[2..];
    let mut columns = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let fields = &rest[end + 1..end + 19];
        columns.push((name, fields[4..].to_vec()));
        rest = &rest[end + 19..];
    }
    columns
}
