//! Records as RFC 4180, for spreadsheets: no cell can become a formula.

use std::fmt::Write as _;
use switchboard_domain::ServiceName;
use switchboard_proto::audit::v1::Record;

const HEAD: &str =
    "source,seq,at,actor,on_behalf_of,action,object,before_digest,after_digest,detail,ip,request_id,hash";

/// Writes a file, with the mark that tells spreadsheets that it is UTF-8.
pub(super) fn write(records: Vec<(ServiceName, Record)>) -> String {
    let mut file = format!("\u{feff}{HEAD}\r\n");
    for (source, record) in records {
        let at = crate::view::time(record.at_ms);
        let _ = write!(file, "{},{},{at:.3}", source.as_str(), record.seq); // writing to a String cannot fail
        for text in [
            &record.actor,
            &record.on_behalf_of,
            &record.action,
            &record.object,
            &record.before_digest,
            &record.after_digest,
            &record.detail_json,
            &record.ip,
            &record.request_id,
            &record.hash,
        ] {
            file.push(',');
            file.push_str(&cell(text));
        }
        file.push_str("\r\n");
    }
    file
}

/// One cell. What a spreadsheet would compute gets an apostrophe in front and is shown as it is.
fn cell(text: &str) -> String {
    let is_formula = text
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let mark = if is_formula { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{mark}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(cell("agent:agt_1"), "agent:agt_1");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(cell("-2"), "'-2");
        assert_eq!(cell("\t=1"), "'\t=1");
        assert_eq!(cell("＝1"), "'＝1");
        assert_eq!(
            cell("=HYPERLINK(\"http://evil\",\"x\")"),
            "\"'=HYPERLINK(\"\"http://evil\"\",\"\"x\"\")\""
        );
        assert_eq!(cell("a\r\nb"), "\"a\r\nb\"");
        assert_eq!(cell(""), "");
    }
}
