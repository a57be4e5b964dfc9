//! All services of a cloud, and the macro for the list of them in `lib.rs`.

use std::sync::Arc;

use crate::authority::Authority;
use crate::dispatch::Served;

/// The services of a cloud.
pub struct Services {
    /// Decides what callers may do.
    pub authority: Arc<dyn Authority>,
    /// In the order in which they start. They stop in reverse order.
    pub list: Arc<[Box<dyn Served>]>,
}

/// Declares the module of each service, and opens the services in the order of the list. A service is opened with the
/// cloud, the keys of the first user, and the services above it in the list.
macro_rules! services {
    (|$cloud:ident, $keys:ident| authority: $authority:ident, $($module:ident: $service:expr,)*) => {
        $(pub mod $module;)*

        impl registry::Services {
            /// Opens every service on the cloud's state, and stores the keys of the first user there.
            ///
            /// # Errors
            /// The state cannot be read or written.
            pub fn open($cloud: &Arc<Cloud>, $keys: &iam::AccessKey) -> Result<Self, call::AwsError> {
                $(let $module = Arc::new($service);)*
                let authority = $authority.clone();
                Ok(Self { authority, list: Arc::new([$(Box::new($module) as Box<dyn dispatch::Served>),*]) })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::AccessKey;
    use crate::{Cloud, Settings};

    #[test]
    fn every_table_has_the_operations_of_its_model() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
        let services = Services::open(&cloud, &AccessKey::ensure(dir.path()).unwrap()).unwrap();
        for service in &*services.list {
            assert_eq!(service.unmatched(), Vec::<&str>::new(), "{}", service.name());
        }
    }
}
