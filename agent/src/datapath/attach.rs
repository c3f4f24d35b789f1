//! Where our tc programs hang: tcx links (Linux 6.6 and later) or clsact filters (6.1 to 6.5), on device ingress.
//!
//! Every hook has a pin `<program>-<ifindex>`. With tcx the pin is the link itself, so the program goes on without us
//! and a new one takes its place atomically. A clsact filter stays without a pin; there the pin is the program, as a
//! note that the filter is ours. Which of the two is found out by the first attach.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, Link},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
    },
    sys::SyscallError,
};
use nix::net::if_::if_indextoname;
use plan::network::Hook;

use super::{DatapathError, bpf};

/// Priority of our clsact filters, so that we find them again.
const PRIORITY: u16 = 0x4e54;
/// Handle of our clsact filters.
const HANDLE: TcHandle = TcHandle::new(0, 1);

/// How programs hang on devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Links of Linux 6.6 and later; falls back to the other one when the kernel has none.
    Tcx,
    /// Filters of the clsact qdisc.
    Clsact,
}

/// The hooks of one node.
pub(super) struct Hooks {
    dir: PathBuf,
    mode: Mode,
    attached: BTreeMap<u32, Hook>,
}

fn parse_pin(name: &str) -> Option<(Hook, u32)> {
    let (program, ifindex) = name.split_once('-')?;
    let hook = Hook::ALL.into_iter().find(|hook| hook.program() == program)?;
    Some((hook, ifindex.parse().ok()?))
}

fn device_name(ifindex: u32) -> Option<String> {
    if_indextoname(ifindex).ok()?.into_string().ok()
}

fn failed(hook: Hook, ifindex: u32, reason: impl ToString) -> DatapathError {
    DatapathError::Hook {
        program: hook.program(),
        device: device_name(ifindex).unwrap_or_else(|| ifindex.to_string()),
        reason: reason.to_string(),
    }
}

/// An error with its cause, which aya's errors name separately.
pub(super) fn with_cause(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn program(object: &mut Ebpf, hook: Hook) -> Result<&mut SchedClassifier, String> {
    let program = object
        .program_mut(hook.program())
        .ok_or("no such program in the object")?;
    program.try_into().map_err(|error: ProgramError| error.to_string())
}

impl Hooks {
    /// Adopts the hooks that are pinned in `dir`: each gets this object's program in place of the one it has.
    pub(super) fn adopt(object: &mut Ebpf, dir: &Path, mode: Mode) -> Result<Self, DatapathError> {
        let mut hooks = Self {
            dir: dir.to_owned(),
            mode,
            attached: BTreeMap::new(),
        };
        let pin_error = |source| DatapathError::Pin {
            path: dir.to_owned(),
            source,
        };
        for entry in fs::read_dir(dir).map_err(pin_error)?.flatten() {
            if let Some((hook, ifindex)) = parse_pin(&entry.file_name().to_string_lossy()) {
                if hooks.replace(object, hook, ifindex) {
                    hooks.attached.insert(ifindex, hook);
                } else {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        Ok(hooks)
    }

    pub(super) fn attached(&self) -> &BTreeMap<u32, Hook> {
        &self.attached
    }

    fn pin(&self, hook: Hook, ifindex: u32) -> PathBuf {
        self.dir.join(format!("{}-{ifindex}", hook.program()))
    }

    /// Puts the object's program in the place of the pinned one; false when the device is gone.
    fn replace(&mut self, object: &mut Ebpf, hook: Hook, ifindex: u32) -> bool {
        let Ok(program) = program(object, hook) else {
            return false;
        };
        let path = self.pin(hook, ifindex);
        let result = program
            .fd()
            .map_err(io::Error::other)
            .and_then(|fd| bpf::replace_program(&bpf::open_pin(&path)?, fd.as_fd()));
        match result {
            Ok(()) => true,
            // Not a link: the note of a clsact filter.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.mode = Mode::Clsact;
                device_name(ifindex).is_some_and(|device| replace_filter(program, &device).is_ok())
            }
            Err(_) => false,
        }
    }

    /// Hangs a program on a device; another one of ours there is taken away. Already there is no error.
    pub(super) fn attach(&mut self, object: &mut Ebpf, ifindex: u32, hook: Hook) -> Result<(), DatapathError> {
        match self.attached.get(&ifindex).copied() {
            Some(other) if other != hook => self.detach(ifindex, other)?,
            Some(_) if self.replace(object, hook, ifindex) => return Ok(()),
            _ => {}
        }
        let device = device_name(ifindex).ok_or_else(|| failed(hook, ifindex, "no such device"))?;
        let program = program(object, hook).map_err(|reason| failed(hook, ifindex, reason))?;
        let path = self.pin(hook, ifindex);
        let _ = fs::remove_file(&path);
        if self.mode == Mode::Tcx {
            match attach_tcx(program, &device, &path) {
                Err(error) if is_unsupported(&error) => self.mode = Mode::Clsact,
                Err(error) => return Err(failed(hook, ifindex, error)),
                Ok(()) => {}
            }
        }
        if self.mode == Mode::Clsact {
            attach_clsact(program, &device, &path).map_err(|error| failed(hook, ifindex, error))?;
        }
        self.attached.insert(ifindex, hook);
        Ok(())
    }

    /// Takes a program from a device, which may be gone.
    pub(super) fn detach(&mut self, ifindex: u32, hook: Hook) -> Result<(), DatapathError> {
        if self.mode == Mode::Clsact
            && self.pin(hook, ifindex).exists()
            && let Some(device) = device_name(ifindex)
            && let Ok(link) = SchedClassifierLink::attached(&device, TcAttachType::Ingress, PRIORITY, HANDLE, None)
        {
            match link.detach() {
                Err(ProgramError::NetlinkError(error)) if error.raw_os_error() == Some(libc::ENOENT) => {}
                result => result.map_err(|error| failed(hook, ifindex, with_cause(&error)))?,
            }
        }
        match fs::remove_file(self.pin(hook, ifindex)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(hook, ifindex, error)),
            _ => {}
        }
        self.attached.remove(&ifindex);
        Ok(())
    }

    pub(super) fn detach_all(&mut self) -> Result<(), DatapathError> {
        for (ifindex, hook) in self.attached.clone() {
            self.detach(ifindex, hook)?;
        }
        Ok(())
    }
}

/// Whether the kernel is too old for tcx.
fn is_unsupported(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}

fn os_error(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(SyscallError { io_error, .. }) => io_error,
        other => io::Error::other(with_cause(&other)),
    }
}

fn attach_tcx(program: &mut SchedClassifier, device: &str, pin: &Path) -> io::Result<()> {
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program
        .attach_with_options(device, TcAttachType::Ingress, options)
        .map_err(os_error)?;
    let link = program.take_link(id).map_err(os_error)?;
    let link = FdLink::try_from(link).map_err(io::Error::other)?;
    link.pin(pin).map_err(|error| io::Error::other(with_cause(&error)))?;
    Ok(())
}

fn attach_clsact(program: &mut SchedClassifier, device: &str, pin: &Path) -> io::Result<()> {
    // The qdisc may be there already, ours or somebody else's; if it is not, the attach below says so.
    let _ = tc::qdisc_add_clsact(device);
    let options = NlOptions {
        priority: PRIORITY,
        handle: HANDLE,
        classid: None,
    };
    match program.attach_with_options(device, TcAttachType::Ingress, TcAttachOptions::Netlink(options)) {
        // Forgotten, not dropped: dropping would take the filter away.
        Ok(id) => std::mem::forget(program.take_link(id).map_err(os_error)?),
        Err(_) => replace_filter(program, device)?,
    }
    program.pin(pin).map_err(|error| io::Error::other(with_cause(&error)))
}

fn replace_filter(program: &mut SchedClassifier, device: &str) -> io::Result<()> {
    let link = SchedClassifierLink::attached(device, TcAttachType::Ingress, PRIORITY, HANDLE, None)?;
    let id = program.attach_to_link(link).map_err(os_error)?;
    std::mem::forget(program.take_link(id).map_err(os_error)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_names_are_read_back() {
        assert_eq!(parse_pin("from_uplink-17"), Some((Hook::FromUplink, 17)));
        for other in ["connect4", "from_uplink", "from_moon-3", "from_host-x"] {
            assert_eq!(parse_pin(other), None, "{other}");
        }
    }
}
