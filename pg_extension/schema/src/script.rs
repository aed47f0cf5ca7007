//! The installation script: read out of the library's section, put in order by pgrx's generator.
//! It must not know where scripts go.

use eyre::{WrapErr, eyre};
use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::section::{decode_entities, is_schema_section_name};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity};

/// The script that `CREATE EXTENSION` runs.
///
/// # Errors
/// When `library` is no object file, or was not built with pgrx's section kept.
pub(crate) fn installation_script(library: &[u8], control: &ControlFile) -> eyre::Result<String> {
    let root = SqlGraphEntity::ExtensionRoot(control.clone());
    let entities = decode_entities(section(library)?)
        .wrap_err("the library was built with another version of pgrx")?;
    let all = std::iter::once(root).chain(entities);
    // The control file names the module, so the library's file name carries no version.
    let versioned_library = false;
    PgrxSql::build(all, "taskmaster".into(), versioned_library)?.to_sql()
}

fn section(library: &[u8]) -> eyre::Result<&[u8]> {
    let file = object::File::parse(library).wrap_err("the library is not an object file")?;
    for section in file.sections() {
        if is_schema_section_name(section.name()?) {
            return section.data().wrap_err("the section with the SQL is damaged");
        }
    }
    Err(eyre!("the library holds no SQL: it is stripped, or its sections were collected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_section_is_refused() {
        let control = ControlFile::from_str(
            "comment = 'c'\ndefault_version = '1'\nrelocatable = false\nsuperuser = true\n",
        );
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = installation_script(&program, &control.unwrap()).unwrap_err();
        assert!(error.to_string().contains("holds no SQL"), "{error:#}");
    }

    #[test]
    fn what_is_no_library_is_refused() {
        let error = section(b"#!/bin/sh\n").unwrap_err();
        assert!(error.to_string().contains("not an object file"), "{error:#}");
    }
}
