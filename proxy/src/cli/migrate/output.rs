//! What `taskmaster migrate` prints: lines for people, one JSON object a line for programs.
//!
//! Must not know how anything is found out.

use std::io::Write;

use serde_json::{Value, json};
use taskmaster_migrations::{
    BackupRecord, Complaint, Difference, Event, Finding, Fingerprint, Gravity, HistoryEvent,
    PlannedStep, Proven, Report, Status, StepRun, StepStatus, TableCopy, Touch, Touches, Version,
};

/// How things are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Lines,
    Json,
}

impl Format {
    /// Shows one thing.
    pub(super) fn show(self, line: impl FnOnce() -> String, value: impl FnOnce() -> Value) {
        match self {
            Self::Lines => say(line()),
            Self::Json => say(value()),
        }
    }

    /// Shows progress.
    pub(super) fn event(self, event: &Event) {
        self.show(|| event.to_string(), || event_json(event));
    }

    /// Shows what a run did.
    pub(super) fn report(self, report: &Report, verb: &str) {
        let count = count_of(report.steps.len(), "step");
        self.show(|| format!("{count} {verb}"), || report_json(report));
    }

    pub(super) fn status(self, status: &Status) {
        if self == Self::Json {
            return say(status_json(status));
        }
        status.steps.iter().for_each(|step| say(status_line(step)));
        if let Some(extension) = status.extension.as_ref().filter(|extension| extension.is_due()) {
            let files = extension.available.as_deref().unwrap_or("gone");
            say(format!(
                "extension taskmaster: {} installed, the server's files: {files}",
                extension.installed
            ));
        }
    }

    pub(super) fn plan(self, steps: &[PlannedStep]) {
        if self == Self::Json {
            return steps.iter().for_each(|step| say(plan_json(step)));
        }
        if steps.is_empty() {
            say("nothing to do");
        }
        for step in steps {
            say(format!("{} {}: {}", step.version, step.name, step.direction));
            for statement in &step.statements {
                say(format!("  {}:{}  {}", statement.file, statement.line, statement.text));
                match &statement.touches {
                    Touches::Unknown => say("      what its code locks is not known"),
                    Touches::These(touches) => {
                        touches.iter().for_each(|touch| say(format!("      {}", touch_line(touch))))
                    }
                }
            }
        }
    }

    pub(super) fn complaints(self, complaints: &[Complaint]) {
        for Complaint { file, location, rule, .. } in complaints {
            let word = gravity(rule.gravity);
            self.show(
                || format!("{file}:{location}: {word}: {} ({})", rule.advice, rule.name),
                || {
                    json!({ "file": file, "line": location.line, "column": location.column,
                            "gravity": word, "rule": rule.name, "advice": rule.advice })
                },
            );
        }
    }

    pub(super) fn drift(self, differences: &[Difference]) {
        for difference in differences {
            self.show(|| difference_lines(difference), || difference_json(difference));
        }
        if differences.is_empty() && self == Self::Lines {
            say("everything is as the last migration left it");
        }
    }

    pub(super) fn history(self, events: &[HistoryEvent]) {
        for event in events {
            self.show(|| history_line(event), || history_json(event));
        }
    }

    pub(super) fn backups(self, backups: &[BackupRecord]) {
        for backup in backups {
            self.show(|| backup_lines(backup), || backup_json(backup));
        }
    }

    pub(super) fn fingerprint(self, found: &Fingerprint) {
        self.show(
            || match &found.recorded {
                None => format!("{} (no migration has left one)", found.present),
                Some(recorded) if *recorded == found.present => {
                    format!("{} (as the last migration left it)", found.present)
                }
                Some(recorded) => format!("{} (the last migration left {recorded})", found.present),
            },
            || json!({ "present": found.present, "recorded": found.recorded }),
        );
    }

    pub(super) fn findings(self, findings: &[Finding]) {
        for finding in findings {
            let word = finding.severity.word();
            self.show(
                || format!("{word}: {}", finding.text),
                || json!({ "severity": word, "text": finding.text }),
            );
        }
        if findings.is_empty() && self == Self::Lines {
            say("nothing is in the way");
        }
    }

    pub(super) fn proven(self, proven: &Proven) {
        self.show(|| proven_lines(proven), || proven_json(proven));
    }
}

/// Prints a line. A reader that went away is no reason to stop what is at work.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// `1 step`, `2 steps`.
pub(super) fn count_of(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn gravity(gravity: Gravity) -> &'static str {
    match gravity {
        Gravity::Danger => "danger",
        Gravity::Advice => "advice",
    }
}

fn status_line(step: &StepStatus) -> String {
    let state = step.state;
    let when = step.applied_at.as_deref().unwrap_or("-");
    format!("{}  {state:<10} {when:<28} {}", step.version, step.name)
}

fn status_json(status: &Status) -> Value {
    let step = |step: &StepStatus| {
        json!({
            "version": step.version.to_string(), "name": step.name, "state": step.state.to_string(),
            "applied_at": step.applied_at, "execution_time_ms": step.execution_time_ms,
        })
    };
    let extension = status.extension.as_ref().map(
        |extension| json!({ "installed": extension.installed, "available": extension.available }),
    );
    json!({
        "current": status.is_current(),
        "steps": status.steps.iter().map(step).collect::<Vec<_>>(),
        "extension": extension,
    })
}

fn report_json(report: &Report) -> Value {
    let step = |run: &StepRun| {
        json!({ "version": run.version.to_string(), "name": run.name, "attempts": run.attempts,
                "duration_ms": run.duration.as_millis() as u64 })
    };
    let steps: Vec<Value> = report.steps.iter().map(step).collect();
    json!({ "event": "done", "steps": steps, "partitions_made": report.partitions_made })
}

/// What an object was and is, each line of it behind its sign.
fn difference_lines(difference: &Difference) -> String {
    let part = |sign: char, text: &Option<String>| match text {
        Some(text) => format!("\n    {sign} {}", text.replace('\n', "\n      ")),
        None => String::new(),
    };
    let (before, after) = (part('-', &difference.before), part('+', &difference.after));
    format!("{difference}{before}{after}")
}

fn difference_json(difference: &Difference) -> Value {
    let Difference { object, before, after } = difference;
    json!({ "kind": object.kind, "name": object.name, "before": before, "after": after })
}

fn history_line(event: &HistoryEvent) -> String {
    let HistoryEvent { id, occurred_at, action, actor, .. } = event;
    let parts = [Some(&event.ledger), event.version.as_ref(), event.description.as_ref()];
    let parts: Vec<&str> =
        parts.into_iter().flatten().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let what = parts.join(" ");
    let took = event.duration_ms.map_or(String::new(), |took| format!(" in {took} ms"));
    let why = event.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let objects = count_of(usize::try_from(event.objects).unwrap_or_default(), "object");
    format!("{id:>5}  {occurred_at}  {action:<9} {what}{took}, {objects}, by {actor}{why}")
}

fn history_json(event: &HistoryEvent) -> Value {
    json!({
        "id": event.id, "occurred_at": event.occurred_at, "ledger": event.ledger,
        "action": event.action, "version": event.version, "description": event.description,
        "reason": event.reason, "duration_ms": event.duration_ms, "fingerprint": event.fingerprint,
        "actor": event.actor, "tool_version": event.tool_version, "objects": event.objects,
    })
}

fn backup_lines(backup: &BackupRecord) -> String {
    let BackupRecord { id, taken_at, ledger, version, direction, tables } = backup;
    let direction = direction.as_deref().unwrap_or_default();
    let before = match version {
        Some(version) => format!("before {ledger} {version} {direction}"),
        None => "on demand".to_owned(),
    };
    let mut text = format!("{id}  {taken_at}  {before}");
    for TableCopy { schema, table, copy, rows, bytes, .. } in tables {
        let line =
            format!("{schema}.{table}: {rows} rows, {bytes} bytes, in taskmaster_backup.{copy}");
        text.push_str(&format!("\n    {line}"));
    }
    text
}

fn backup_json(backup: &BackupRecord) -> Value {
    json!({ "id": backup.id, "taken_at": backup.taken_at, "ledger": backup.ledger,
            "version": backup.version, "direction": backup.direction, "tables": backup.tables })
}

fn proven_lines(proven: &Proven) -> String {
    let steps = count_of(proven.steps.len(), "step");
    let tables = count_of(proven.tables_with_rows, "table");
    let irreversible = proven.irreversible.iter();
    let irreversible = irreversible
        .map(|version| format!("{version} says that it cannot go down, and went up only"));
    std::iter::once(format!("{steps} went up, down and up again; {tables} held rows meanwhile"))
        .chain(irreversible)
        .chain(proven.without_rows.iter().cloned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn proven_json(proven: &Proven) -> Value {
    let versions = |steps: &[Version]| steps.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "event": "proven", "steps": versions(&proven.steps),
        "irreversible": versions(&proven.irreversible),
        "tables_with_rows": proven.tables_with_rows, "without_rows": proven.without_rows,
    })
}

fn touch_line(touch: &Touch) -> String {
    let size = match touch.size {
        None => " (not there yet)".to_owned(),
        Some(size) if size.bytes == 0 && size.rows.is_none() => String::new(),
        Some(size) => {
            let rows = size
                .rows
                .map_or("an unknown number of rows".to_owned(), |rows| format!("{rows:.0} rows"));
            format!(" ({rows}, {} kB)", size.bytes / 1024)
        }
    };
    format!("{:<22} {}: {}{size}", touch.lock.to_string(), touch.relation, touch.work.words())
}

fn plan_json(step: &PlannedStep) -> Value {
    let touch = |touch: &Touch| {
        json!({ "relation": touch.relation, "lock": touch.lock.to_string(), "work": touch.work.words(),
                "rows": touch.size.and_then(|size| size.rows), "bytes": touch.size.map(|size| size.bytes) })
    };
    let statements: Vec<Value> = step
        .statements
        .iter()
        .map(|statement| {
            let touches = match &statement.touches {
                Touches::Unknown => Value::Null,
                Touches::These(touches) => touches.iter().map(touch).collect(),
            };
            json!({ "file": statement.file, "line": statement.line, "text": statement.text,
                    "touches": touches })
        })
        .collect();
    json!({ "version": step.version.to_string(), "name": step.name,
            "direction": step.direction.to_string(), "statements": statements })
}

/// An event with its line, and what a program would otherwise have to take out of that.
fn event_json(event: &Event) -> Value {
    let (kind, mut more) = match event {
        Event::Started { direction, version, .. } => (
            "started",
            json!({ "version": version.to_string(), "direction": direction.to_string() }),
        ),
        Event::Finished { direction, version, duration, .. } => (
            "finished",
            json!({ "version": version.to_string(), "direction": direction.to_string(),
                    "duration_ms": duration.as_millis() as u64 }),
        ),
        Event::StatementDone { version, statement, of } => (
            "statement",
            json!({ "version": version.to_string(), "statement": statement, "of": of }),
        ),
        Event::Retrying { attempt, sqlstate, .. } => {
            ("retrying", json!({ "attempt": attempt, "sqlstate": sqlstate }))
        }
        Event::Drift { objects } => ("drift", json!({ "objects": objects })),
        Event::Losing { version, table, rows, bytes, .. } => (
            "losing",
            json!({ "version": version.to_string(), "table": table, "rows": rows, "bytes": bytes }),
        ),
        Event::BackedUp { backup, copy, .. } => {
            ("backed_up", json!({ "backup": backup, "copy": copy }))
        }
        Event::Restored(restored) => (
            "restored",
            json!({ "table": restored.table, "held": restored.held, "written": restored.written,
                    "proof": restored.proof.to_string() }),
        ),
        Event::Notice { severity, .. } => ("notice", json!({ "severity": severity })),
        Event::WaitingForRunner { .. } => ("waiting", json!({})),
        Event::Inexact { version, .. } => ("inexact", json!({ "version": version.to_string() })),
        Event::ExtensionUpdated { from, to } => ("extension", json!({ "from": from, "to": to })),
        Event::PartitionsMade { count } => ("partitions", json!({ "count": count })),
        _ => ("other", json!({})),
    };
    more["event"] = kind.into();
    more["text"] = event.to_string().into();
    more
}
