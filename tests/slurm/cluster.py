"""A private Slurm on 127.0.0.1: one controller, two nodes that share this machine, everything below one folder.

Debian's packages slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins and munge are enough; no systemd, no accounting.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

#: Where Slurm's own tools look, whatever the environment of a job says
SYSTEM_CONF = Path("/etc/slurm/slurm.conf")

CONF = """\
ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/pid/slurmctld.pid
SlurmdPidFile={root}/pid/slurmd.%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
# Memory limits are enforced by looking every two seconds.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=5,batch_sched_delay=1
# Finished jobs stay visible to squeue that long, seconds.
MinJobAge=3600
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=15
KillWait=5
PropagateResourceLimits=NONE
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port=16901 CPUs=4 RealMemory=8000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=16902 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=debug Nodes=n[1-2] Default=YES MaxTime=600 DefaultTime=10 DefMemPerCPU=500 LLN=YES State=UP
"""


def why_not():
    """What this machine lacks to run a Slurm, for people; "" if nothing."""
    tools = ("slurmctld", "slurmd", "munged", "munge", "sbatch", "squeue", "scancel", "which")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        packages = "apt install slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge"
        return f"{', '.join(missing)} not found: {packages}"
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return "snakemake-executor-plugin-slurm is not installed; requirements-cluster.lock has it"
    if os.geteuid() != 0:
        return "Slurm's daemons need root here"
    if SYSTEM_CONF.is_symlink() and not SYSTEM_CONF.exists():
        SYSTEM_CONF.unlink()  # left by a test run that was killed, of a folder that is gone
    if SYSTEM_CONF.exists():
        return f"{SYSTEM_CONF} exists: this machine has a Slurm of its own"
    host = _host()
    try:
        if not socket.gethostbyname(host).startswith("127."):
            return f"the name {host} is not an address of the loopback: '127.0.0.1 {host}' in /etc/hosts"
    except OSError:
        return f"the name {host} is unknown: '127.0.0.1 {host}' in /etc/hosts"
    return ""


def _host():
    return socket.gethostname().split(".")[0]


class Slurm:
    """Two nodes, n1 and n2, with 4 CPUs and 8000 MB each in the books. Use it in a `with` block."""

    def __init__(self, root):
        self.root = Path(root)

    def __enter__(self):
        for folder in ("munge", "state", "log", "pid", "spool"):
            (self.root / folder).mkdir(parents=True)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        self._start_munge()
        conf = self.root / "slurm.conf"
        conf.write_text(CONF.format(host=_host(), root=self.root))
        SYSTEM_CONF.parent.mkdir(exist_ok=True)
        SYSTEM_CONF.symlink_to(conf)
        run("slurmctld", "-f", conf)
        for node in ("n1", "n2"):
            self.start_node(node)
        wait_for(lambda: len(run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()) == 2, 60, "both nodes are idle")

    def _start_munge(self):
        if subprocess.run(["munge", "-n"], capture_output=True).returncode == 0:
            return  # one is running already
        folder = self.root / "munge"
        folder.chmod(0o700)
        Path("/run/munge").mkdir(mode=0o755, exist_ok=True)
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_bytes(secrets.token_bytes(128))
        options = {"key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        run("munged", "--num-threads=4", *(f"--{name}={folder / file}" for name, file in options.items()))

    def start_node(self, node):
        run("slurmd", "-f", self.root / "slurm.conf", "-N", node)

    def crash_node(self, node):
        """End a node as a power cut does: its daemon and everything that runs on it, at once."""
        jobs = run("squeue", "-h", "-t", "R", "-w", node, "-o", "%A").split()
        pids = [_pid(self.root / "pid" / f"slurmd.{node}.pid")]
        for job in jobs:
            pids += [pid for pid in _processes() if f"SLURM_JOB_ID={job}\0".encode() in _environment(pid)]
            pids += [pid for pid in _processes() if _command(pid).startswith(f"slurmstepd: [{job}.")]
        for pid in pids:
            _kill(pid, signal.SIGKILL)

    def __exit__(self, *exception):
        if SYSTEM_CONF.is_symlink():
            cancel()
        # slurmctld takes some seconds to leave
        for name, file in (("slurmd", "pid/slurmd.n1.pid"), ("slurmd", "pid/slurmd.n2.pid")):
            _stop(self.root / file, name)
        _stop(self.root / "pid" / "slurmctld.pid", "slurmctld")
        _stop(self.root / "munge" / "pid", "munged")
        SYSTEM_CONF.unlink(missing_ok=True)


def run(*command):
    """Run a command and return what it prints."""
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, timeout=60).stdout


def jobs(*, states="all"):
    """What Slurm knows of its jobs, as dicts of text: id, state, memory, time limit, node, comment."""
    fields = {"id": "%A", "state": "%T", "memory": "%m", "limit": "%l", "node": "%N", "comment": "%k"}
    lines = run("squeue", "-h", f"--states={states}", "-o", "|".join(fields.values())).splitlines()
    return sorted((dict(zip(fields, line.split("|"), strict=True)) for line in lines), key=lambda job: int(job["id"]))


def cancel():
    """Cancel all jobs, and wait until none is left."""
    subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=60)
    wait_for(lambda: not run("squeue", "-h"), 60, "all jobs are gone")


def wait_for(condition, seconds, what):
    """Wait until `condition()` is true, and return its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"after {seconds} s not yet: {what}"
        time.sleep(0.2)
    return found


def _processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid, name):
    try:
        return Path("/proc", str(pid), name).read_bytes()
    except OSError:
        return b""


def _environment(pid):
    return _read(pid, "environ")


def _command(pid):
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")


def _pid(path):
    return int(path.read_text())


def _kill(pid, which):
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        pass


def _stop(path, name):
    """Stop the daemon of a pid file, if that is what the process still is."""
    if not path.exists():
        return
    pid = _pid(path)
    for which, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + seconds
        if _read(pid, "comm").decode().strip() == name:
            _kill(pid, which)
        while Path("/proc", str(pid)).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
