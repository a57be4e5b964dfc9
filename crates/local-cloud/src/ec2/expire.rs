//! Deletes terminated instances, which EC2 shows for an hour after their end.

use jiff::{SignedDuration, Timestamp};

use super::{instance, spot, tags};
use crate::call::AwsError;
use crate::cloud::Cloud;

/// How long a terminated instance stays visible.
const VISIBLE: SignedDuration = SignedDuration::from_hours(1);

/// Deletes the instances that were terminated an hour ago, with all that belonged to them.
pub fn forget_terminated(cloud: &Cloud) -> Result<(), AwsError> {
    let before = Timestamp::now() - VISIBLE;
    let all = instance::all(cloud)?;
    for gone in all.iter().filter(|each| each.state.is_terminated() && each.changed < before) {
        for id in [&gone.id, &gone.volume.id, &gone.interface].into_iter().chain(&gone.spot) {
            tags::forget(cloud, id)?;
        }
        if let Some(request) = &gone.spot {
            spot::forget(cloud, request)?;
        }
        instance::delete(cloud, gone)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::instance::tests::sample;
    use super::super::instance::{all, get, keep_console, kept_console, put};
    use super::super::state::State;
    use super::*;
    use crate::Settings;

    #[test]
    fn a_terminated_instance_is_forgotten_after_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
        for (id, state, minutes) in [
            ("i-00000000", State::Terminated, 61),
            ("i-00000001", State::Terminated, 59),
            ("i-00000002", State::Running, 61),
        ] {
            let mut instance = sample(id);
            (instance.state, instance.changed) =
                (state, Timestamp::now() - SignedDuration::from_mins(minutes));
            put(&cloud, &instance).unwrap();
            keep_console(&cloud, id, "text").unwrap();
        }
        forget_terminated(&cloud).unwrap();
        let left: Vec<String> = all(&cloud).unwrap().into_iter().map(|each| each.id).collect();
        assert_eq!(left, ["i-00000001", "i-00000002"]);
        assert_eq!(get(&cloud, "i-00000000").unwrap_err().code, "InvalidInstanceID.NotFound");
        assert_eq!(kept_console(&cloud, "i-00000000").unwrap(), None);
        assert_eq!(kept_console(&cloud, "i-00000001").unwrap().as_deref(), Some("text"));
        assert_eq!(get(&cloud, "i-x").unwrap_err().code, "InvalidInstanceID.Malformed");
    }
}
