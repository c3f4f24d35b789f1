//! Who may call what, as the service definitions say (option `access`, see `proto/access.proto`).

pub use crate::pb::Access;

/// Every method by its path, `/netctl.v1.Service/Method`, in the order of the paths.
pub const METHODS: &[(&str, Access)] = &include!(concat!(env!("OUT_DIR"), "/access.rs"));

/// Who may call the method at `path`; `None`: there is no such method.
pub fn access(path: &str) -> Option<Access> {
    let row = METHODS.binary_search_by_key(&path, |(known, _)| known).ok()?;
    METHODS.get(row).map(|(_, access)| *access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_their_path() {
        for (path, said) in METHODS {
            assert_eq!(access(path), Some(*said), "{path}");
            assert_ne!(*said, Access::Unspecified, "{path}");
        }
        assert_eq!(access("/netctl.v1.Admission/IssueCertificate"), Some(Access::Anyone));
        assert_eq!(access("/netctl.v1.Dispatcher/Session"), Some(Access::Itself));
        assert_eq!(access("/netctl.v1.Control/ListNodes"), Some(Access::Manager));
        assert_eq!(access("/netctl.v1.Local/Init"), Some(Access::Operator));
        assert_eq!(access("/netctl.v1.Control/Surprise"), None);
    }
}
