//! Roles that were taken out of the running cluster on purpose: cluster
//! properties `ubuntu-ha-left-ROLE`, which every member sees.

use crate::node::host::Host;
use crate::node::layout::Subject;
use crate::node::live;
use crate::node::problem::Failure;

/// The set that holds them. It is not `ubuntu-ha`, which a push of the whole
/// configuration replaces.
pub const SET: &str = "ubuntu-ha-left";

const PREFIX: &str = "ubuntu-ha-left-";

/// The property of a role.
pub fn property(role: &str) -> String {
    format!("{PREFIX}{role}")
}

/// The roles that a CIB says have left, sorted; `apply` does not put them back
/// unless it is asked to by their name. Text that is no CIB has none.
pub fn roles(cib: &str) -> Vec<String> {
    let Ok(document) = roxmltree::Document::parse(cib) else {
        return Vec::new();
    };
    let pairs = document
        .descendants()
        .filter(|node| node.has_tag_name("cluster_property_set"))
        .flat_map(|set| set.children())
        .filter(|node| node.has_tag_name("nvpair"));
    let mut roles: Vec<String> = pairs
        .filter_map(|pair| pair.attribute("name")?.strip_prefix(PREFIX))
        .filter(|role| !role.is_empty())
        .map(String::from)
        .collect();
    roles.sort();
    roles.dedup();
    roles
}

/// The roles that have left: as the running cluster says, or else what
/// pacemaker has on disk.
///
/// # Errors
/// A tool hangs.
pub fn known(host: &Host) -> Result<Vec<String>, Failure> {
    if !host.layout.state().join("formed").exists() {
        return Ok(Vec::new());
    }
    let active = host.program("cibadmin").is_some() && live::is_active(host, "pacemaker")?;
    let cib = match active {
        true => live::cib(host)?,
        false => None,
    };
    let cib = cib.or_else(|| {
        let path = host.layout.path("/var/lib/pacemaker/cib/cib.xml");
        std::fs::read_to_string(path).ok()
    });
    Ok(cib.map_or_else(Vec::new, |cib| roles(&cib)))
}

/// Takes the marks of these roles back, in the running cluster.
///
/// # Errors
/// Pacemaker refuses.
pub fn take_back(host: &Host, wanted: &[Subject]) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    for role in known(host)? {
        if wanted.iter().any(|one| one.name() == role) {
            let property = property(&role);
            let args = ["--type", "crm_config", "--name", &property, "--delete"];
            host.must("crm_attribute", &args, live::PATIENCE)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_properties_of_any_set_count() {
        let cib = "<cib><configuration><crm_config>\
             <cluster_property_set id=\"ubuntu-ha\">\
             <nvpair id=\"a\" name=\"ubuntu-ha-left-vip\" value=\"true\"/>\
             <nvpair id=\"b\" name=\"ubuntu-ha-nodes\" value=\"x\"/></cluster_property_set>\
             <cluster_property_set id=\"ubuntu-ha-left\">\
             <nvpair id=\"c\" name=\"ubuntu-ha-left-clc\" value=\"true\"/></cluster_property_set>\
             </crm_config></configuration></cib>";
        assert_eq!(roles(cib), ["clc", "vip"]);
        assert_eq!(roles("<cib"), Vec::<String>::new());
        assert_eq!(property("clc"), "ubuntu-ha-left-clc");
    }
}
