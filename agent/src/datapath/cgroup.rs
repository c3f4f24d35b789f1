//! The socket hooks: cgroup programs that let processes reach published ports by `localhost` and own addresses.

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd,
    path::Path,
};

use abi::program;
use aya::{
    Ebpf,
    programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, links::FdLink},
};

use super::{DatapathError, attach::with_cause, bpf};

/// All of them; each is pinned under its name.
pub(super) const PROGRAMS: [&str; 4] = [
    program::CONNECT4,
    program::SENDMSG4,
    program::RECVMSG4,
    program::GETPEERNAME4,
];

/// Hangs the programs on a cgroup, or puts them in the place of the pinned ones of an earlier daemon.
pub(super) fn attach(object: &mut Ebpf, cgroup: &Path, dir: &Path) -> Result<(), DatapathError> {
    for name in PROGRAMS {
        attach_one(object, name, cgroup, &dir.join(name)).map_err(|error| DatapathError::Hook {
            program: name,
            device: cgroup.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

fn attach_one(object: &mut Ebpf, name: &str, cgroup: &Path, pin: &Path) -> io::Result<()> {
    let missing = || io::Error::other("no such program in the object");
    let other = |error: ProgramError| io::Error::other(with_cause(&error));
    let program: &mut CgroupSockAddr = object
        .program_mut(name)
        .ok_or_else(missing)?
        .try_into()
        .map_err(other)?;
    let fd = program.fd().map_err(other)?;
    match bpf::open_pin(pin).and_then(|link| bpf::replace_program(&link, fd.as_fd())) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Its cgroup is gone.
        Err(_) => fs::remove_file(pin)?,
    }
    // A link is always one of several; asking for that too is an error.
    let id = program
        .attach(File::open(cgroup)?, CgroupAttachMode::Single)
        .map_err(other)?;
    let link = program.take_link(id).map_err(other)?;
    let link = FdLink::try_from(link).map_err(|error| io::Error::other(with_cause(&error)))?;
    link.pin(pin).map_err(|error| io::Error::other(with_cause(&error)))?;
    Ok(())
}

/// Takes them away.
pub(super) fn detach(dir: &Path) -> Result<(), DatapathError> {
    for path in PROGRAMS.map(|name| dir.join(name)) {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(DatapathError::Pin { path, source }),
            _ => {}
        }
    }
    Ok(())
}
