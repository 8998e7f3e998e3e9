# Made by capmin 0.1.0 from its result.json, strictness observed
# for registry.example/it's `a` $(trap)\x0a#:1
# digest sha256:0707070707070707070707070707070707070707070707070707070707070707, architecture arm64
# searched by docker 28.2.2, not confirmed
# Load: apparmor_parser -r FILE; use: docker run --security-opt apparmor=capmin-it-s-a-trap ...
#include <tunables/global>

profile capmin-it-s-a-trap flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  file,
  umount,
  capability net_raw,

  # Host (privileged) processes may send signals to container processes.
  signal (receive) peer=unconfined,
  # Container processes may send signals amongst themselves, and the runtime to them.
  signal (send,receive) peer=capmin-it-s-a-trap,
  signal (receive) peer=runc,
  signal (receive) peer=crun,

  deny @{PROC}/* w,   # deny write for all files directly in /proc (not in a subdir)
  # deny write to files not in /proc/<number>/** or /proc/sys/**
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,  # deny /proc/sys except /proc/sys/k* (effectively /proc/sys/kernel)
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,  # deny everything except shm* in /proc/sys/kernel/
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,

  deny mount,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,

  # Container processes may trace and read each other, for ps.
  ptrace (trace,read,tracedby,readby) peer=capmin-it-s-a-trap,
}
