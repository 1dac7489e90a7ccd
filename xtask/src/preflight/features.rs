//! `dtype-full` anywhere in the resolved graph: with it polars-core takes several times its memory.

use cargo_metadata::Metadata;

use super::Finding;

pub(super) fn judge(with_dtype_full: Option<&[String]>) -> Finding {
    match with_dtype_full {
        None => Finding::ok("features", "not resolved without the registry"),
        Some([]) => Finding::ok("features", "no dtype-full in the resolved graph"),
        Some(packages) => Finding::failure(
            "features",
            format!("dtype-full is on in {}", packages.join(", ")),
            format!("find who asks for it: cargo tree -e features -i {}", packages[0]),
        ),
    }
}

pub(super) fn with_dtype_full(graph: &Metadata) -> Vec<String> {
    let Some(resolve) = &graph.resolve else { return Vec::new() };
    let has_it = |features: &[cargo_metadata::FeatureName]| features.iter().any(|name| name.as_ref() == "dtype-full");
    resolve.nodes.iter().filter(|node| has_it(&node.features)).map(|node| graph[&node.id].name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    #[test]
    fn dtype_full_is_a_failure_wherever_it_is() {
        assert_eq!(judge(Some(&[])).verdict, Verdict::Ok);
        let finding = judge(Some(&["polars-core".to_owned()]));
        assert_eq!(finding.verdict, Verdict::Failure);
        assert!(finding.fix.expect("a fix").contains("polars-core"));
        assert_eq!(judge(None).verdict, Verdict::Ok);
    }
}
