# SPDX-License-Identifier: MIT
"""The small machine: 128 MiB of RAM, one CPU, three disks, a clock that the host cannot disturb.

Guest time is counted in executed instructions (-icount shift=0: 1 ns each, so a core of 1000 MIPS),
and nothing that the guest waits for may run on the host's clock. QEMU's block throttling and even
plain virtio-blk requests do: with sleep=off the guest's idle time is skipped, so an I/O that takes
the host 0.2 ms takes the guest anything. Therefore the disks are persistent memory (a part of the
machine's memory file that the kernel is told to treat as pmem, `memmap=SIZE!START`): a request is a
copy inside the guest. They are made as slow as an SD card by the guest's own block throttling
(cgroup io.max, see guest/init), which runs on guest time. What is in that file when the machine is
gone is what was durable.

The third disk, `status`, is mounted with DAX: a store into a mapped file of it is in the host's
file at once. The logger's counter of produced records lives there, so "produced" is exact to the
last record, whatever the end was.

Booting takes the host about ten seconds, so the booted machine is saved once (devices by QEMU's
migration stream, memory is its file) and every run starts from a copy of that.
"""
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
# MiB, in the order in which they lie in the machine's memory. The last piece is RAM again: QEMU
# puts the initramfs and the firmware its tables there. low + high = 128 MiB.
LOW_RAM, TOOLS, DATA, STATUS, HIGH_RAM = 120, 64, 64, 8, 8
OFFSET = {'tools': LOW_RAM, 'data': LOW_RAM + TOOLS, 'status': LOW_RAM + TOOLS + DATA}
SIZE = {'tools': TOOLS, 'data': DATA, 'status': STATUS}
ALL_RAM = LOW_RAM + TOOLS + DATA + STATUS + HIGH_RAM
JOB_BYTES = 64 * 1024
KEEP_SETS = 3       # of images, 140 MB each; the bench and the tests may be at work at once
MODULES_BOOT = ['libnvdimm', 'nd_e820', 'nd_btt', 'nd_pmem']
MODULES_TOOLS = ['null_blk', 'lzo-rle', 'zsmalloc', 'zram']
# In the order in which they are loaded, by guest/device. On the tools disk; without them on this host the
# machine has no network, or forgets the kernel's last words.
MODULES_NET = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci',
               'failover', 'net_failover', 'virtio_net']
MODULES_LAST_WORDS = ['reed_solomon', 'ramoops']
CMDLINE = ('console=ttyS0 quiet panic=-1 psi=1 nokaslr transparent_hugepage=never '
           'random.trust_cpu=on ' +
           ' '.join(f'memmap={SIZE[d]}M!{OFFSET[d]}M' for d in ('tools', 'data', 'status')))
# The guest makes about 100 to 150 million instructions per second of host CPU. No heartbeat in so
# much CPU time is several seconds of guest time without any ordinary program having run.
STALL_CPU_S = 90
CAP_CPU_S = 600


class Missing(Exception):
    """Something the machine needs is not on this host; the text says what."""


def find_kernel():
    """(kernel image, module directory) of a cloud or other Debian kernel, the newest."""
    for image in sorted(pathlib.Path('/boot').glob('vmlinuz-*'), reverse=True):
        version = image.name.removeprefix('vmlinuz-')
        modules = pathlib.Path('/lib/modules') / version
        if modules.is_dir() and any(modules.rglob('nd_e820.ko')):
            return image, modules
    raise Missing('no /boot/vmlinuz-* with nd_e820.ko in /lib/modules: '
                  'install linux-image-cloud-amd64')


def need_tools():
    for tool, package in (('qemu-system-x86_64', 'qemu-system-x86'), ('busybox', 'busybox-static'),
                          ('mke2fs', 'e2fsprogs'), ('debugfs', 'e2fsprogs'), ('cpio', 'cpio'),
                          ('dbus-daemon', 'dbus-daemon')):
        if not find_program(tool):
            raise Missing(f'{tool} is not installed: install {package}')
    with open(find_program('busybox'), 'rb') as f:
        if b'/ld-linux' in f.read(4096):
            raise Missing('busybox is not static: install busybox-static')
    return find_kernel()


def find_program(name):
    return shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def run(*argv, **kw):
    """Runs a host program; its output is shown only if it fails."""
    argv = [find_program(argv[0]) or argv[0], *map(str, argv[1:])]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **kw)
    if done.returncode:
        raise RuntimeError(f'{" ".join(argv)}: exit {done.returncode}\n{done.stdout.decode()}')
    return done.stdout.decode(errors='replace')


def libraries(binary):
    """Everything the dynamic linker would load, and the linker itself."""
    listed = subprocess.run(['ldd', binary], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True, check=False).stdout
    return set(re.findall(r'(/\S+) \(0x', listed))


class Images:
    """initramfs, disks and the saved booted machine, made once per content in `cache`."""

    def __init__(self, cache, binaries):
        self.kernel, self.modules = need_tools()
        self.binaries = [pathlib.Path(b).absolute() for b in binaries]
        self.cache = pathlib.Path(cache).resolve()
        self.dir = self.cache / self._key()

    def _key(self):
        digest = hashlib.sha256(CMDLINE.encode() + str(self.kernel).encode())
        for path in sorted([*self.binaries, *HERE.glob('guest/*'), HERE / 'qemu.py']):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]

    def make(self):
        """Builds what is missing; of several callers at once one builds and the others wait."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with open(self.cache / 'lock', 'w', encoding='utf-8') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.dir / 'booted.json').exists():
                self._make()
            os.utime(self.dir)
        return self

    def _make(self):
        shutil.rmtree(self.dir, ignore_errors=True)     # half built
        sets = sorted((d for d in self.cache.iterdir() if d.is_dir()),
                      key=lambda d: d.stat().st_mtime)
        for old in sets[:-KEEP_SETS]:
            shutil.rmtree(old)
        self.dir.mkdir(parents=True)
        self._make_initramfs(self.dir / 'initramfs')
        self._make_disks(self.dir / 'root')
        self._make_booted()

    def has_module(self, name):
        return any(self.modules.rglob(name + '.ko'))

    def _module(self, name):
        return next(self.modules.rglob(name + '.ko'))

    def _make_initramfs(self, root):
        for d in ('bin', 'mod', 'dev', 'proc', 'sys', 't'):
            (root / d).mkdir(parents=True)
        shutil.copy(find_program('busybox'), root / 'bin/busybox')
        (root / 'bin/sh').symlink_to('busybox')
        shutil.copy(HERE / 'guest/init', root / 'init')
        (root / 'init').chmod(0o755)
        for name in MODULES_BOOT:
            shutil.copy(self._module(name), root / 'mod')
        names = '\n'.join(str(p.relative_to(root)) for p in sorted(root.rglob('*')))
        target = shlex.quote(str(self.dir / 'boot.cpio.gz'))
        run('sh', '-c', f'cpio -o -H newc --quiet | gzip -9n > {target}',
            input=names.encode(), cwd=root)
        shutil.rmtree(root)

    def _make_disks(self, root):
        for d in 'bin mod guest dev proc sys run tmp data status etc'.split():
            (root / d).mkdir(parents=True)
        shutil.copy(find_program('busybox'), root / 'bin/busybox')
        for applet in run('busybox', '--list').split():
            (root / 'bin' / applet).symlink_to('busybox') if applet != 'busybox' else None
        (root / 'etc/passwd').write_text('root:x:0:0:root:/:/bin/sh\n')
        (root / 'etc/group').write_text('root:x:0:\n')
        for name in MODULES_TOOLS:
            shutil.copy(self._module(name), root / 'mod')
        for name in filter(self.has_module, MODULES_NET + MODULES_LAST_WORDS):
            shutil.copy(self._module(name), root / 'mod')
        for path in HERE.glob('guest/*'):
            shutil.copy(path, root / 'guest')
        self._copy_programs(root)
        self._make_ext4('tools', root)
        shutil.rmtree(root)
        self._make_ext4('data', None)
        seed = self.dir / 'seed'
        seed.mkdir()
        (seed / 'job').write_bytes(b'\n' * JOB_BYTES)
        self._make_ext4('status', seed)
        shutil.rmtree(seed)

    def _copy_programs(self, root):
        programs = [*self.binaries, pathlib.Path(find_program('dbus-daemon'))]
        optional = find_program('dbus-send')
        needed = set()
        for path in [*programs, *([pathlib.Path(optional)] if optional else [])]:
            target = root / ('lib' if path.name.startswith('lib') else 'bin') / path.name
            target.parent.mkdir(exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy(path, target)
            needed |= libraries(path)
        for lib in needed:
            if pathlib.Path(lib).name in {b.name for b in self.binaries}:
                continue
            target = root / ('lib64' if 'ld-linux' in lib else 'lib') / pathlib.Path(lib).name
            target.parent.mkdir(exist_ok=True)
            shutil.copy(lib, target)
            target.chmod(0o755)
        for path in [*(root / 'bin').glob('failsoft*'), *(root / 'lib').glob('libfailsoft*')]:
            run('strip', path)

    def _make_ext4(self, name, content):
        image = self.dir / f'{name}.ext4'
        fill = ['-d', content] if content else []
        run('mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-m', '0', '-L', name,
            '-E', 'root_owner=0:0', *fill, image, f'{SIZE[name]}M')

    def fill_disks(self, memory):
        """Makes the memory file of a machine that was never on: disks and empty RAM."""
        with open(memory, 'wb') as f:
            f.truncate(ALL_RAM * MIB)
        for name, offset in OFFSET.items():
            run('dd', f'if={self.dir}/{name}.ext4', f'of={memory}', 'bs=1M', f'seek={offset}',
                'conv=notrunc,sparse')

    def _make_booted(self):
        """Boots once up to guest/init's "ready" and saves the machine there."""
        memory, work = self.dir / 'booted.ram', self.dir / 'boot'
        self.fill_disks(memory)
        with Machine(self, work, memory) as m:
            m.start(incoming=False)
            m.wait_for(lambda: ' ready ' in m.beats(), 'the guest did not come up')
            ready = re.search(r'^(\S+) ready (\d+)$', m.beats(), re.M)
            m.save(self.dir / 'booted.state')
        (self.dir / 'booted.json').write_text(json.dumps(
            {'boot_s': float(ready[1]), 'available_kib': int(ready[2])}))

    def booted(self):
        return json.loads((self.dir / 'booted.json').read_text())


class Machine:
    """One QEMU process with its files in `work`; context manager that leaves nothing running."""
    accel = 'tcg'
    clock = ['-icount', 'shift=0,sleep=off']    # [] is the wall's
    cmdline = CMDLINE
    more = ['-no-reboot']

    def __init__(self, images, work, memory):
        self.images, self.work = images, pathlib.Path(work).resolve()
        self.memory = pathlib.Path(memory).resolve()
        self.process = self.control = None
        self.last_cpu_s = 0.0
        self.work.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.control:
            self.control.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def command(self, first_serial):
        i = self.images
        files = [f for n in ('beat', 'log', 'events') for f in ('-serial', f'file:{self.work}/{n}')]
        ram = f'memory-backend-file,id=ram,share=on,mem-path={self.memory},size={ALL_RAM}M'
        return [find_program('qemu-system-x86_64'), '-machine', 'pc,memory-backend=ram',
                '-object', ram, '-m', str(ALL_RAM), '-smp', '1', '-cpu', 'qemu64',
                '-accel', self.accel, *self.clock,
                '-rtc', 'base=2026-01-01,clock=vm', '-nodefaults', '-nographic', *self.more,
                '-kernel', str(i.kernel), '-initrd', f'{i.dir}/boot.cpio.gz', '-append', self.cmdline,
                '-serial', first_serial, *files]

    def start(self, incoming):
        """Starts QEMU; incoming: from the saved booted machine instead of from its firmware."""
        # A socket's path may have 108 bytes only: relative to the work directory.
        argv = self.command(f'file:{self.work}/console')
        argv += ['-qmp', 'unix:control,server=on,wait=off']
        if incoming:
            argv += ['-incoming', 'defer']
        with open(self.work / 'qemu.txt', 'wb') as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            cwd=self.work)
        self.control = Control(self)
        if incoming:
            self.control.share()
            self.control.call('migrate-incoming', uri=f'exec:cat {self.images.dir}/booted.state')
            self.wait_for(lambda: self.status('query-status') in ('paused', 'running'),
                          'the saved machine could not be started')
            self.control.call('cont')

    def save(self, target):
        self.control.call('stop')
        self.control.share()
        self.control.call('migrate', uri=f'exec:cat > {target}')
        self.wait_for(lambda: self.status('query-migrate') in ('completed', 'failed'),
                      'the machine could not be saved')
        if self.status('query-migrate') != 'completed':
            raise RuntimeError('the machine could not be saved: ' + self.text('qemu.txt'))

    def status(self, query):
        return self.control.call(query)['status']

    def wait_for(self, condition, what, timeout_s=300):
        end = time.monotonic() + timeout_s
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f'{what}\n{self.text("console")[-3000:]}{self.text("qemu.txt")}')
            time.sleep(0.05)

    def text(self, name):
        path = self.work / name
        return path.read_text(errors='replace') if path.exists() else ''

    def beats(self):
        return self.text('beat')

    def cpu_s(self):
        stat = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text()
        fields = stat.rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def wait_end(self, watch=None):
        """Until the guest is gone: "off" by itself, "stalled" no heartbeat, "cap" too long."""
        size = seen_cpu = 0
        while self.process.poll() is None:
            cpu, now = self.cpu_s(), (self.work / 'beat').stat().st_size
            self.last_cpu_s = cpu
            if now != size:
                size, seen_cpu = now, cpu
            if watch:
                watch(self)
            if cpu - seen_cpu > STALL_CPU_S or cpu > CAP_CPU_S:
                verdict = 'cap' if cpu > CAP_CPU_S else 'stalled'
                self.process.kill()
                self.process.wait()
                return verdict
            time.sleep(0.1)
        if watch:
            watch(self)
        return 'off'


class Control:
    """QEMU's control socket (QMP)."""

    def __init__(self, machine):
        self.socket = socket.socket(socket.AF_UNIX)
        here = os.open(machine.work, os.O_PATH)
        try:
            self._connect(f'/proc/self/fd/{here}/control', machine)
        finally:
            os.close(here)
        self.lines = self.socket.makefile('r')
        self.lines.readline()
        self.call('qmp_capabilities')

    def _connect(self, path, machine):
        end = time.monotonic() + 30
        while True:
            try:
                return self.socket.connect(path)
            except OSError:
                if machine.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError('QEMU does not start: ' + machine.text('qemu.txt')) from None
                time.sleep(0.05)

    def call(self, name, **arguments):
        self.socket.sendall(json.dumps({'execute': name, 'arguments': arguments}).encode() + b'\n')
        while True:
            line = self.lines.readline()
            if not line:
                raise RuntimeError(f'QEMU ended during {name}')
            answer = json.loads(line)
            if 'error' in answer:
                raise RuntimeError(f'{name}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def share(self):
        """Memory is a shared file already: leave it out of the stream."""
        self.call('migrate-set-capabilities', capabilities=[
            {'capability': 'x-ignore-shared', 'state': True}])

    def close(self):
        self.lines.close()
        self.socket.close()
