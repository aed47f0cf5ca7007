//! The rules of the house that a compiler does not know: layers, sizes, where the dangerous words
//! may stand, and how a file opens. ARCHITECTURE.md says why.

use std::fs;
use std::path::{Path, PathBuf};

use harness::artefacts::repository_dir;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// The layers of the proxy from the bottom up. A module may name those of the lines before its own,
/// and itself; modules on one line do not see each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["wire"],
    &["net"],
    &["backend"],
    &["pool"],
    &["cluster"],
    &["session", "admin", "http", "monitor"],
    &["listener"],
    &["config"],
    &["embedded", "import"],
    &["tunnel"],
    &["cli"],
    &["main"],
];

/// Pure modules: what they may name. Everything from `pool` upwards may name them.
const PURE: &[(&str, &[&str])] = &[("router", &["error", "wire"]), ("gate", &["error", "wire"])];

/// Each source file of the workspace, relative to the repository, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = repository_dir();
    let mut paths = Vec::new();
    for member in ["pg_extension", "proxy", "migrations", "tests", "benches", "fuzz"] {
        collect(&root.join(member), &mut paths);
    }
    assert!(paths.len() > 50, "only {} source files found below {}", paths.len(), root.display());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&root).unwrap().to_path_buf(), text)
    };
    paths.into_iter().map(read).collect()
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", ".venv"].contains(&&*name) {
                collect(&path, paths);
            }
        } else if name.ends_with(".rs") {
            paths.push(path);
        }
    }
}

/// Fails with every line of `offences` at once.
fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long = sources().into_iter().filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", path.display()))
    });
    assert_none(&long.collect::<Vec<_>>());
}

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    let silent = sources().into_iter().filter_map(|(path, text)| {
        (!text.starts_with("//! ")).then(|| format!("{} opens without //!", path.display()))
    });
    assert_none(&silent.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_to_do() {
    // Put together here, so that this file does not hold the words itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["dbg", "!("], ["todo", "!("]];
    let words = words.map(|parts| parts.concat());
    let mut left = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                left.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert_none(&left);
}

/// What the rules ask of one parsed file.
#[derive(Default)]
struct Findings {
    /// Name, first line and length of each function.
    functions: Vec<(String, usize, usize)>,
    /// Lines with an unsafe block, function, impl or trait.
    unsafety: Vec<usize>,
}

impl Findings {
    fn of(path: &Path, text: &str) -> Self {
        let file = syn::parse_file(text);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut findings = Self::default();
        findings.visit_file(&file);
        findings
    }

    fn function(&mut self, signature: &syn::Signature, whole: Span) {
        let (first, last) = (signature.span().start().line, whole.end().line);
        self.functions.push((signature.ident.to_string(), first, last + 1 - first));
        if let Some(token) = signature.unsafety {
            self.unsafety.push(token.span.start().line);
        }
    }
}

impl<'ast> Visit<'ast> for Findings {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, function.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, function.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.function(&function.sig, function.span());
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafety.push(block.unsafe_token.span.start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = item.unsafety {
            self.unsafety.push(token.span.start().line);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.unsafety.extend(item.unsafety.map(|token| token.span.start().line));
        visit::visit_item_foreign_mod(self, item);
    }
}

#[test]
fn no_function_is_longer_than_70_lines() {
    let mut long = Vec::new();
    for (path, text) in sources() {
        for (name, line, length) in Findings::of(&path, &text).functions {
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{}:{line}: {name} has {length} lines", path.display()));
            }
        }
    }
    assert_none(&long);
}

#[test]
fn unsafe_code_stands_in_report_and_store_alone() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let allowed = ["pg_extension/src/report", "pg_extension/src/store"];
        if allowed.iter().any(|dir| path.starts_with(dir)) || path_is(&path, allowed) {
            continue;
        }
        let lines = Findings::of(&path, &text).unsafety;
        found.extend(lines.iter().map(|line| format!("{}:{line}: unsafe", path.display())));
    }
    assert_none(&found);
}

/// Whether `path` is the file of one of these modules, such as `a/store.rs` for `a/store`.
fn path_is<const N: usize>(path: &Path, modules: [&str; N]) -> bool {
    modules.iter().any(|module| path == Path::new(&format!("{module}.rs")))
}

/// Whether `path` is a module of this name or a file below it, or a sibling that begins with it.
fn is_within(path: &Path, prefix: &str) -> bool {
    let text = path.to_string_lossy();
    let rest = text.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.starts_with('/') || rest.starts_with('.') || rest.starts_with('_'))
}

/// Files that hold `word` outside of comments, and outside of the `allowed` modules.
fn strangers(word: &str, crate_dir: &str, allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with(crate_dir) || allowed.iter().any(|prefix| is_within(&path, prefix)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(word) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn the_pgwire_crate_is_for_login_and_typed_replies_alone() {
    assert_none(&strangers(
        "pgwire::",
        "proxy",
        &[
            "proxy/src/wire",
            "proxy/src/session/auth",
            "proxy/src/session/startup",
            "proxy/src/backend/dial",
            "proxy/src/backend/scram",
        ],
    ));
}

#[test]
fn only_the_store_talks_to_the_database_from_inside() {
    assert_none(&strangers("Spi", "pg_extension", &["pg_extension/src/store"]));
    assert_none(&strangers("spi::", "pg_extension", &["pg_extension/src/store"]));
}

/// The top-level module of the proxy that a file belongs to.
fn module_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("proxy/src").ok()?;
    let first = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The top-level modules that a file names: the word after `crate::` or `taskmaster_proxy::`, also
/// within braces.
fn named_modules(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for start in ["crate::", "taskmaster_proxy::"] {
            for (position, _) in code.match_indices(start) {
                let rest = &code[position + start.len()..];
                let names = rest.strip_prefix('{').map_or_else(|| vec![rest], top_level_names);
                named.extend(names.into_iter().map(|name| (number + 1, identifier(name))));
            }
        }
    }
    named
}

/// `a::{b, c}, d` is `a` and `d`.
fn top_level_names(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (position, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&list[start..position]);
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&list[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    names.push(&list[start..]);
    names
}

fn identifier(text: &str) -> String {
    let is_word = |character: &char| character.is_ascii_alphanumeric() || *character == '_';
    text.trim().chars().take_while(is_word).collect()
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn is_pure(module: &str) -> Option<&'static [&'static str]> {
    PURE.iter().find(|(name, _)| *name == module).map(|(_, may)| *may)
}

/// Whether the layering lets `from` name `to`.
fn may_name(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    if let Some(allowed) = is_pure(from) {
        return allowed.contains(&to);
    }
    let Some(from_rank) = rank(from) else { return false };
    if is_pure(to).is_some() {
        return from_rank >= rank("backend").unwrap_or_default();
    }
    rank(to).is_some_and(|to_rank| to_rank < from_rank)
}

#[test]
fn modules_of_the_proxy_name_only_what_stands_below_them() {
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path).filter(|module| module != "lib") else { continue };
        if rank(&module).is_none() && is_pure(&module).is_none() {
            offences.push(format!("{}: {module} has no place in the layers", path.display()));
            continue;
        }
        for (line, named) in named_modules(&text) {
            let is_module = rank(&named).is_some() || is_pure(&named).is_some();
            if is_module && !may_name(&module, &named) {
                offences.push(format!("{}:{line}: {module} names {named}", path.display()));
            }
        }
    }
    assert_none(&offences);
}

#[test]
fn the_layer_rule_itself_can_fail() {
    assert!(may_name("session", "pool") && !may_name("pool", "session"));
    assert!(!may_name("session", "admin") && !may_name("router", "net"));
    let text = "use crate::{wire::{Header, Tag}, net};\nuse crate::pool; // crate::session";
    let names: Vec<_> = named_modules(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["wire", "net", "pool"]);
}
