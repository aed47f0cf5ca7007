//! One section of a document in Markdown. Must not know what it is about.

/// A heading that begins with `## `, and all up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section(String);

impl Section {
    /// The text of a section, its heading included.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The document with these sections, each in the place of the one with the same heading, or at the end.
    pub(crate) fn replace_all(document: String, sections: &[Self]) -> String {
        sections.iter().fold(document, |document, section| section.replace_in(&document))
    }

    /// The document with this section in the place of the one with the same heading, or at the end.
    fn replace_in(&self, document: &str) -> String {
        let heading = self.0.lines().next().unwrap_or_default();
        let Some(start) = start_of(document, heading) else {
            return format!("{}\n\n{}", document.trim_end(), self.0);
        };
        let (before, old) = document.split_at(start);
        match old.find("\n## ") {
            Some(end) => format!("{before}{}{}", self.0, &old[end..]),
            None => format!("{before}{}", self.0),
        }
    }
}

/// Where the line that is this heading begins.
fn start_of(document: &str, heading: &str) -> Option<usize> {
    let mut start = 0;
    for line in document.split_inclusive('\n') {
        if line.trim_end() == heading {
            return Some(start);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_older_self() {
        let section = Section::new("## B\n\nnew\n".to_owned());
        let cases = [
            ("# T\n\n## A\n\na\n", "# T\n\n## A\n\na\n\n## B\n\nnew\n"),
            ("# T\n\n## B\n\nold\n", "# T\n\n## B\n\nnew\n"),
            ("## B\n\n### Of B\n\n## C\n\nc\n", "## B\n\nnew\n\n## C\n\nc\n"),
            ("## B2\n\nb\n", "## B2\n\nb\n\n## B\n\nnew\n"),
        ];
        for (document, expected) in cases {
            assert_eq!(section.replace_in(document), expected, "{document:?}");
        }
    }
}
