# Made by capmin 0.1.0 on 2026-11-22T03:40:53Z from its result.json, strictness observed
# for capmin/nginx:latest
# digest sha256:b1864d8fa0dd1d873a1234ca025eab2f681f53538d1edee6068cea3150132686, architecture x86_64
# searched by runc 1.1.5, confirmed by runc 1.1.5
# Load: apparmor_parser -r FILE; use: docker run --security-opt apparmor=capmin-nginx ...
#include <tunables/global>

profile capmin-nginx flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  file,
  umount,
  capability chown,
  capability dac_override,
  capability net_bind_service,
  capability setgid,
  capability setuid,

  # Host (privileged) processes may send signals to container processes.
  signal (receive) peer=unconfined,
  # Container processes may send signals amongst themselves, and the runtime to them.
  signal (send,receive) peer=capmin-nginx,
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
  ptrace (trace,read,tracedby,readby) peer=capmin-nginx,
}
