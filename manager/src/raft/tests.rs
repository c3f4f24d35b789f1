//! Members over disks in memory: one alone, three with messages carried by hand.
