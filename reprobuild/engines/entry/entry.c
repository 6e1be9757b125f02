/* The first program of an execution on an engine that only knows containers: it makes the sandbox of the embedded
 * engine inside of one, runs the execution's program in it, and says how that ended.
 *
 * Run as root with all capabilities, on the root filesystem of the execution, with its folder at /dev/pipes/reprobuild:
 * `job` (see dagger_job.py), `stdin`, and `in/0`, `in/1`... which are mounted. What it says is the last line of
 * standard error: TOKEN KIND CODE MESSAGE. It needs no libc, so that it runs on any root filesystem; build it with
 * scripts/entry. Each limit here is one of runtime.py, and has to stay so.
 */

#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Below /dev/pipes, since that is where Dagger lets a mount be seen that is in /dev. */
#define SELF "/dev/pipes/reprobuild"
#define WORK "/dev/pipes/reprobuild-work"
#define JOB_LIMIT (4 * 1024 * 1024)
#define MOST 4096
#define PATH_LIMIT 4096

/* These are the same on every processor that there is a build for. */
enum { ENOENT = 2, EINTR = 4, EACCES = 13, EEXIST = 17, ENOTDIR = 20, ELOOP = 40, SIGKILL = 9, SIGCHLD = 17 };
enum { S_IFMT = 0170000, S_IFDIR = 0040000, S_IFREG = 0100000, S_IFCHR = 0020000 };
enum { S_IFLNK = 0120000, S_IFBLK = 0060000, S_IFIFO = 0010000, ENOSPC = 28 };
enum { MNT_DETACH = 2, RLIMIT_CORE = 4, RLIMIT_NOFILE = 7, POLLIN = 1 };

struct file_time { int64_t seconds, nanoseconds; };
struct limit { uint64_t soft, hard; };
struct polled { int fd; short events, revents; };
struct bound { const char *source, *target; long mode, uid, gid; };

const char source_digest[] = "source " SOURCE;

static char job[JOB_LIMIT], *next, *end;
static const char *token;
static char *argv_of[MOST + 1], *env_of[MOST + 1];
static struct bound bounds[MOST];
static uint32_t groups[MOST];
static char made[MOST][256];
static int made_folder[MOST], made_count;
static int failures[2] = {-1, -1};

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call begin\n");
static long call6(long n, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n");
static long call6(long n, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#else
#error "there is no build for this processor"
#endif

#define CALL(name, a, b, c, d, e) call6(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

void *memset(void *to, int byte, size_t size)
{
    for (char *at = to; size--; at++)
        *at = (char)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    char *at = to;
    for (const char *one = from; size--; one++)
        *at++ = *one;
    return to;
}

static size_t length(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

static int has_slash(const char *text)
{
    for (; *text; text++)
        if (*text == '/')
            return 1;
    return 0;
}

static void say(int fd, const char *text)
{
    size_t left = length(text);
    while (left) {
        long done = CALL(write, fd, text, left, 0, 0);
        if (done == -EINTR)
            continue;
        if (done <= 0)
            return;
        text += done;
        left -= (size_t)done;
    }
}

static const char *decimal(long value)
{
    static char text[24];
    char *at = text + sizeof text - 1;
    int negative = value < 0;
    for (value = negative ? -value : value; at == text + sizeof text - 1 || value; value /= 10)
        *--at = (char)('0' + value % 10);
    if (negative)
        *--at = '-';
    return at;
}

/* KIND CODE MESSAGE: ended; late; refused (a program that cannot be started); wrong (a specification); fault. */
static void tell(int fd, const char *kind, long code, const char *first, const char *second, const char *third)
{
    say(fd, kind);
    say(fd, " ");
    say(fd, decimal(code));
    say(fd, " ");
    say(fd, first);
    say(fd, second);
    say(fd, third);
}

static _Noreturn void leave(long code)
{
    for (;;)
        CALL(exit_group, code, 0, 0, 0, 0);
}

static void take_away(void);

/* End with these words: in the child they go to its parent first. */
static _Noreturn void stop(const char *kind, long code, const char *first, const char *second, const char *third)
{
    if (failures[1] >= 0) {
        tell(failures[1], kind, code, first, second, third);
        leave(125);
    }
    take_away();
    say(2, "\n");
    say(2, token ? token : "?");
    say(2, " ");
    tell(2, kind, code, first, second, third);
    say(2, "\n");
    leave(code > 0 ? code : 125);
}

static void must(long result, const char *what)
{
    if (result < 0)
        stop("fault", -result, what, "", "");
}

static const char *field(void)
{
    char *start = next;
    while (next < end && *next)
        next++;
    if (next >= end)
        stop("fault", 0, "the job is cut off", "", "");
    next++;
    return start;
}

static long number(void)
{
    long value = 0;
    for (const char *text = field(); *text; text++)
        value = value * 10 + (*text - '0');
    return value;
}

static long count(void)
{
    long value = number();
    if (value < 0 || value > MOST)
        stop("wrong", 0, "more than 4096 of one thing", "", "");
    return value;
}

/* What statx(2) says, which is laid out alike on all processors. */
struct seen {
    uint32_t mask, block;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, spare;
    uint64_t inode, size, blocks, attribute_mask;
    struct { int64_t seconds; uint32_t nanoseconds, spare; } accessed, born, changed, modified;
    uint32_t major, minor, device_major, device_minor;
    uint64_t rest[14];
};

static struct seen looked(int folder, const char *path, int flags)
{
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    if (CALL(statx, folder, path, flags, 0x7ff, &seen) < 0)
        seen.mode = 0;
    return seen;
}

static struct seen look(int folder, const char *path)
{
    return looked(folder, path, AT_SYMLINK_NOFOLLOW);
}

/* Mode of what is at a path, links followed; 0 if nothing is. */
static uint32_t mode_of(const char *path)
{
    return looked(AT_FDCWD, path, 0).mode;
}

static void bind(const char *source, const char *target, unsigned long flags)
{
    must(CALL(mount, source, target, "", MS_BIND, 0), target);
    must(CALL(mount, "none", target, "", MS_REMOUNT | MS_BIND | flags, 0), target);
}

static void remember(const char *path, int folder)
{
    if (made_count == MOST || length(path) >= sizeof made[0])
        stop("wrong", 0, path, ": too many mounts, or too long a path", "");
    memcpy(made[made_count], path, length(path) + 1);
    made_folder[made_count++] = folder;
}

/* Make what is missing for a mount at this path; it is taken away again. */
static void make_place(const char *target)
{
    char path[PATH_LIMIT];
    size_t size = length(target);
    uint32_t mode = mode_of(target);
    if (mode && (mode & S_IFMT) == S_IFDIR)
        stop("wrong", 0, target, " cannot be mounted: there is a folder", "");
    if (mode)
        return;
    if (size >= sizeof path)
        stop("wrong", 0, target, ": the path is too long", "");
    for (size_t at = 1; at < size; at++) {
        if (target[at] != '/')
            continue;
        memcpy(path, target, at);
        path[at] = 0;
        long result = CALL(mkdirat, AT_FDCWD, path, 0755, 0, 0);
        if (result == 0)
            remember(path, 1);
        else if (result != -EEXIST)
            stop("wrong", 0, target, " cannot be mounted: no folder can be made for it", "");
        else if ((mode_of(path) & S_IFMT) != S_IFDIR)
            stop("wrong", 0, target, " cannot be mounted: what it is to be in is no folder", "");
    }
    long fd = CALL(openat, AT_FDCWD, target, O_WRONLY | O_CREAT | O_CLOEXEC, 0444, 0);
    if (fd == -ELOOP)
        stop("wrong", 0, target, ": links lead in a circle", "");
    must(fd, target);
    CALL(close, fd, 0, 0, 0, 0);
    remember(target, 0);
}

static void take_away(void)
{
    while (made_count) {
        made_count--;
        /* A folder with something in it is the program's by now. */
        CALL(unlinkat, AT_FDCWD, made[made_count], made_folder[made_count] ? AT_REMOVEDIR : 0, 0, 0);
    }
}

/* Sources are in /dev/in, below the new root. */
static void mount_inputs(long many, const struct file_time *times)
{
    for (long one = 0; one < many; one++) {
        struct bound *bound = &bounds[one];
        must(CALL(fchownat, AT_FDCWD, bound->source, bound->uid, bound->gid, 0), bound->source);
        must(CALL(fchmodat, AT_FDCWD, bound->source, bound->mode, 0, 0), bound->source);
        must(CALL(utimensat, AT_FDCWD, bound->source, times, 0, 0), bound->source);
    }
    for (long one = 0; one < many; one++) {
        make_place(bounds[one].target);
        bind(bounds[one].source, bounds[one].target, MS_RDONLY | MS_NOSUID | MS_NODEV);
    }
    static const char *const folders[] = {"/dev/in", "/dev/secrets"};
    for (size_t one = 0; one < 2; one++) {
        must(CALL(umount2, folders[one], MNT_DETACH, 0, 0, 0), folders[one]);
        must(CALL(unlinkat, AT_FDCWD, folders[one], AT_REMOVEDIR, 0, 0), folders[one]);
    }
}

static void take_mounts(long many)
{
    while (many--)
        CALL(umount2, bounds[many].target, MNT_DETACH, 0, 0, 0);
}

static void make_devices(void)
{
    static const struct { const char *path; int minor, major; } devices[] = {
        {"/dev/null", 3, 1}, {"/dev/zero", 5, 1}, {"/dev/full", 7, 1},
        {"/dev/random", 8, 1}, {"/dev/urandom", 9, 1}, {"/dev/tty", 0, 5},
    };
    static const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"}, {"/proc/kcore", "/dev/core"},
    };
    for (size_t one = 0; one < sizeof devices / sizeof *devices; one++) {
        must(CALL(mknodat, AT_FDCWD, devices[one].path, S_IFCHR | 0666, devices[one].major << 8 | devices[one].minor, 0),
             devices[one].path);
        must(CALL(fchmodat, AT_FDCWD, devices[one].path, 0666, 0, 0), devices[one].path);
    }
    for (size_t one = 0; one < sizeof links / sizeof *links; one++)
        must(CALL(symlinkat, links[one][0], AT_FDCWD, links[one][1], 0, 0), links[one][1]);
    CALL(mkdirat, AT_FDCWD, "/dev/pts", 0755, 0, 0);
    CALL(mkdirat, AT_FDCWD, "/dev/shm", 0755, 0, 0);
    must(CALL(mount, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"),
         "/dev/pts");
    must(CALL(mount, "tmpfs", "/sys", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, "mode=0555,size=4k"),
         "/sys");
    must(CALL(mount, "shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777"), "/dev/shm");
}

static int work_fd, changes_fd;

/* Secrets are in our environment, which is not the program's, as REPROBUILD_SECRET_0=...; it gets them as files. */
static void place_secret(char **environment, long one)
{
    static const char prefix[] = "REPROBUILD_SECRET_";
    static char wanted[64], place[64];
    const char *digits = decimal(one);
    size_t size = sizeof prefix - 1 + length(digits);
    memcpy(wanted, prefix, sizeof prefix - 1);
    memcpy(wanted + sizeof prefix - 1, digits, length(digits));
    wanted[size++] = '=';
    memcpy(place, "dev/secrets/", 12);
    memcpy(place + 12, digits, length(digits) + 1);
    for (; *environment; environment++) {
        size_t same = 0;
        while (same < size && (*environment)[same] == wanted[same])
            same++;
        if (same < size)
            continue;
        long target = CALL(openat, AT_FDCWD, place, O_WRONLY | O_CREAT | O_CLOEXEC, 0400, 0);
        must(target, "a secret");
        say((int)target, *environment + size);
        CALL(close, target, 0, 0, 0, 0);
        return;
    }
    stop("fault", 0, "a secret is not there", "", "");
}

/* An overlay over all that is here, seen as the root from now on; what is written goes to `upper`. */
static void enter_overlay(char **environment, long secret_count)
{
    static const char options[] = "lowerdir=/,upperdir=" WORK "/upper,workdir=" WORK "/work,volatile,redirect_dir=off,"
                                  "metacopy=off,index=off,xino=off";
    struct seen root = look(AT_FDCWD, "/");
    long result = 0;
    changes_fd = (int)CALL(openat, AT_FDCWD, WORK "/changes.tar", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600, 0);
    must(changes_fd, "a file for the changes");
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        /* An upper directory cannot be on an overlay: with such storage, the changes are held in memory. */
        if (in_memory)
            must(CALL(mount, "tmpfs", WORK, "tmpfs", MS_NOSUID, "mode=0700"), "memory for the changes");
        static const char *const folders[] = {WORK "/upper", WORK "/work", WORK "/root"};
        for (int one = 0; one < 3; one++)
            must(CALL(mkdirat, AT_FDCWD, folders[one], 0700, 0, 0), folders[one]);
        must(CALL(fchownat, AT_FDCWD, WORK "/upper", root.uid, root.gid, 0), "the root");
        must(CALL(fchmodat, AT_FDCWD, WORK "/upper", root.mode & 07777, 0, 0), "the root");
        result = CALL(mount, "overlay", WORK "/root", "overlay", MS_NODEV | MS_NOATIME, options);
        if (result == 0)
            break;
    }
    must(result, "an overlay");
    work_fd = (int)CALL(openat, AT_FDCWD, WORK "/upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    must(work_fd, "the upper directory");
    must(CALL(chdir, WORK "/root", 0, 0, 0, 0), "the overlay");
    must(CALL(mount, "tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=0755,size=65536k"), "/dev");
    must(CALL(mkdirat, AT_FDCWD, "dev/in", 0700, 0, 0), "/dev/in");
    must(CALL(mount, SELF "/in", "dev/in", "", MS_BIND, 0), "/dev/in");
    must(CALL(mkdirat, AT_FDCWD, "dev/secrets", 0700, 0, 0), "/dev/secrets");
    must(CALL(mount, "tmpfs", "dev/secrets", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700"), "/dev/secrets");
    for (long one = 0; one < secret_count; one++)
        place_secret(environment, one);
    must(CALL(pivot_root, ".", ".", 0, 0, 0), "the root");
    must(CALL(umount2, ".", MNT_DETACH, 0, 0, 0), "the root before");
    must(CALL(chdir, "/", 0, 0, 0, 0), "the root");
}

/* The system's own file systems, of the namespaces of the program; sysfs would tell of the machine. */
static void mount_system(void)
{
    static const char *const masked[] = {
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
    };
    static const char *const unchanging[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
    };
    unsigned long plain = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    must(CALL(mount, "proc", "/proc", "proc", plain, 0), "/proc");
    for (size_t one = 0; one < sizeof masked / sizeof *masked; one++) {
        uint32_t mode = mode_of(masked[one]);
        if (mode && (mode & S_IFMT) == S_IFDIR)
            must(CALL(mount, "tmpfs", masked[one], "tmpfs", MS_RDONLY, 0), masked[one]);
        else if (mode)
            must(CALL(mount, "/dev/null", masked[one], "", MS_BIND, 0), masked[one]);
    }
    for (size_t one = 0; one < sizeof unchanging / sizeof *unchanging; one++)
        if (mode_of(unchanging[one]))
            bind(unchanging[one], unchanging[one], plain | MS_RDONLY);
}

/* A script needs its interpreter, else the kernel's words are about the script. */
static void check_interpreter(const char *path)
{
    static char first[256];
    long fd = CALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return;
    long size = CALL(read, fd, first, sizeof first - 1, 0, 0);
    CALL(close, fd, 0, 0, 0, 0);
    if (size < 3 || first[0] != '#' || first[1] != '!')
        return;
    char *start = first + 2;
    while (*start == ' ' || *start == '\t')
        start++;
    char *stop_at = start;
    while (*stop_at && *stop_at != ' ' && *stop_at != '\t' && *stop_at != '\n' && *stop_at != '\r')
        stop_at++;
    *stop_at = 0;
    if (!*start || (mode_of(start) & S_IFMT) == S_IFREG)
        return;
    static char message[PATH_LIMIT + 300];
    char *at = message;
    const char *const parts[] = {path, " is a script for ", start, ", which is not there"};
    for (size_t one = 0; one < 4; one++) {
        size_t part = length(parts[one]);
        if (at + part >= message + sizeof message)
            break;
        memcpy(at, parts[one], part);
        at += part;
    }
    *at = 0;
    stop("refused", 127, message, "", "");
}

/* execvp(3)'s way of finding a program, with this environment's PATH. */
static const char *program(const char *cwd)
{
    static char path[3 * PATH_LIMIT], unfit[3 * PATH_LIMIT];
    const char *name = argv_of[0], *folders = "";
    for (char **one = env_of; *one; one++)
        if ((*one)[0] == 'P' && (*one)[1] == 'A' && (*one)[2] == 'T' && (*one)[3] == 'H' && (*one)[4] == '=')
            folders = *one + 5;
    if (has_slash(name))
        folders = "";
    for (;;) {
        size_t folder = 0, at = 0;
        while (folders[folder] && folders[folder] != ':')
            folder++;
        if (folder >= PATH_LIMIT || length(name) >= PATH_LIMIT || length(cwd) >= PATH_LIMIT)
            stop("refused", 127, name, ": a path is too long", "");
        const char *lead = folder ? folders : name;
        if (*lead != '/') {
            memcpy(path, cwd, length(cwd));
            at = length(cwd);
            if (at && path[at - 1] != '/')
                path[at++] = '/';
        }
        memcpy(path + at, folders, folder);
        at += folder;
        if (folder && path[at - 1] != '/')
            path[at++] = '/';
        memcpy(path + at, name, length(name) + 1);
        uint32_t mode = mode_of(path);
        if ((mode & S_IFMT) == S_IFREG && mode & 0111)
            return path;
        if ((mode & S_IFMT) == S_IFREG && !*unfit)
            memcpy(unfit, path, length(path) + 1);
        if (!folders[folder])
            break;
        folders += folder + 1;
    }
    if (*unfit)
        stop("refused", 126, unfit, " is not executable", "");
    stop("refused", 127, name, " is not there", "");
}

static void limit(int what, uint64_t soft, uint64_t hard)
{
    struct limit limits = {soft, hard};
    must(CALL(prlimit64, 0, what, &limits, 0, 0), "a limit");
}

static void become(long uid, long gid, long many)
{
    static const int kept[] = {
        CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_NET_BIND_SERVICE,
        CAP_SETFCAP, CAP_SETGID, CAP_SETPCAP, CAP_SETUID, CAP_SYS_CHROOT,
    };
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    uint64_t mask = 0;
    for (size_t one = 0; one < sizeof kept / sizeof *kept; one++)
        mask |= 1ull << kept[one];
    for (int one = 0; one < 64; one++)
        if (!(mask >> one & 1))
            CALL(prctl, PR_CAPBSET_DROP, one, 0, 0, 0);
    CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    must(CALL(setgroups, many, groups, 0, 0, 0), "groups");
    must(CALL(setresgid, gid, gid, gid, 0, 0), "group");
    must(CALL(setresuid, uid, uid, uid, 0, 0), "user");
    memset(data, 0, sizeof data);
    for (int half = 0; half < 2 && uid == 0; half++)
        data[half].effective = data[half].permitted = (uint32_t)(mask >> 32 * half);
    must(CALL(capset, &header, data, 0, 0, 0), "capabilities");
    must(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
}

static _Noreturn void run(int stdin_fd, const char *cwd, long uid, long gid, long many)
{
    mount_system();
    if ((mode_of(cwd) & S_IFMT) != S_IFDIR)
        stop("refused", 126, "there is no folder ", cwd, " to start in");
    const char *path = program(cwd);
    check_interpreter(path);
    must(CALL(dup3, stdin_fd, 0, 0, 0, 0), "standard input");
    CALL(close, stdin_fd, 0, 0, 0, 0);
    CALL(setsid, 0, 0, 0, 0, 0);
    CALL(umask, 0022, 0, 0, 0, 0);
    limit(RLIMIT_NOFILE, 1024, 4096);
    limit(RLIMIT_CORE, 0, 0);
    long moved = CALL(chdir, cwd, 0, 0, 0, 0);
    if (moved < 0)
        stop("refused", 126, "there is no folder ", cwd, " to start in");
    become(uid, gid, many);
    long result = CALL(execve, path, argv_of, env_of, 0, 0);
    if (result == -ENOENT || result == -ENOTDIR)
        stop("refused", 127, path, " cannot be started: what it needs to start with is not there", "");
    stop("refused", 126, path, result == -EACCES ? " cannot be started: permission denied"
                                                 : " cannot be started: exec format error", "");
}

/* What OCI runtimes do in a network namespace that they make: without it nothing answers at 127.0.0.1. */
static void start_loopback(void)
{
    struct { char name[16]; short flags; char rest[22]; } request = {"lo", 1, {0}};
    long fd = CALL(socket, 2, 2 | 02000000, 0, 0, 0);
    must(fd, "a socket");
    must(CALL(ioctl, fd, 0x8914, &request, 0, 0), "the loopback interface");
    CALL(close, fd, 0, 0, 0, 0);
}

static void read_job(void)
{
    long fd = CALL(openat, AT_FDCWD, SELF "/job", O_RDONLY | O_CLOEXEC, 0, 0), size = 0, step = 0;
    must(fd, "the job");
    while (size < JOB_LIMIT && (step = CALL(read, fd, job + size, JOB_LIMIT - size, 0, 0)) > 0)
        size += step;
    must(step, "the job");
    if (size == JOB_LIMIT)
        stop("wrong", 0, "arguments and environment are larger than 4 MiB", "", "");
    CALL(close, fd, 0, 0, 0, 0);
    next = job;
    end = job + size;
}

/* Wait for the program: its status, or -1 after the time limit. Nothing that it started is left. */
static long wait_for(long child, long milliseconds)
{
    int status = 0;
    struct file_time time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    long handle = CALL(pidfd_open, child, 0, 0, 0, 0), ready;
    must(handle, "a handle of the program");
    struct polled polled = {(int)handle, POLLIN, 0};
    while ((ready = CALL(ppoll, &polled, 1, &time, 0, 0)) == -EINTR) /* Linux counts the time down. */
        ;
    CALL(kill, child, SIGKILL, 0, 0, 0);
    while (CALL(wait4, child, &status, 0, 0, 0) == -EINTR)
        ;
    if (ready == 0)
        return -1;
    return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}

/* From here on: the upper directory as a layer. */

static char block[512], records[256 * 1024], contents[1024 * 1024], names[64 * 1024];
static char path_here[16 * PATH_LIMIT], link_text[PATH_LIMIT + 1], link_paths[32 * 1024 * 1024];
static size_t records_size, link_paths_size;
static struct { uint64_t inode; uint32_t major, minor; size_t path; } links[1 << 17];
static size_t links_count;

static void emit(const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        long done = CALL(write, changes_fd, at, size, 0, 0);
        if (done == -EINTR)
            continue;
        if (done == -ENOSPC)
            stop("full", 0, "", "", "");
        must(done, "the changes");
        at += done;
        size -= (size_t)done;
    }
}

static void emit_padding(uint64_t size)
{
    static const char zeros[512];
    if (size % 512)
        emit(zeros, 512 - size % 512);
}

/* pax, "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void record(const char *first, const char *key, const void *value, size_t size)
{
    size_t rest = 1 + length(first) + length(key) + 1 + size + 1, total = rest + 1;
    while (rest + length(decimal((long)total)) != total)
        total = rest + length(decimal((long)total));
    if (records_size + total > sizeof records)
        stop("fault", 0, "too many extended attributes: ", path_here, "");
    const char *const parts[] = {decimal((long)total), " ", first, key, "="};
    for (size_t one = 0; one < 5; one++) {
        memcpy(records + records_size, parts[one], length(parts[one]));
        records_size += length(parts[one]);
    }
    memcpy(records + records_size, value, size);
    records_size += size;
    records[records_size++] = '\n';
}

static void number_record(const char *key, long value)
{
    char text[24];
    const char *digits = decimal(value);
    size_t size = length(digits);
    memcpy(text, digits, size);
    record("", key, text, size);
}

static void octal(size_t at, size_t size, uint64_t value)
{
    /* What does not fit is in a record. */
    for (size_t one = at + size - 1; one-- > at; value >>= 3)
        block[one] = (char)('0' + (value & 7));
}

static void header(const char *path, char type, const struct seen *seen, uint64_t size, const char *link)
{
    size_t name = length(path), target = length(link);
    uint64_t sum = 0;
    memset(block, 0, sizeof block);
    memcpy(block, path, name < 100 ? name : 100);
    memcpy(block + 157, link, target < 100 ? target : 100);
    octal(100, 8, seen ? seen->mode & 07777 : 0);
    octal(108, 8, seen ? seen->uid : 0);
    octal(116, 8, seen ? seen->gid : 0);
    octal(124, 12, size);
    octal(136, 12, seen && seen->modified.seconds > 0 ? (uint64_t)seen->modified.seconds : 0);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    octal(329, 8, type == '3' || type == '4' ? seen->major : 0);
    octal(337, 8, type == '3' || type == '4' ? seen->minor : 0);
    for (size_t one = 0; one < sizeof block; one++)
        sum += (unsigned char)block[one];
    octal(148, 7, sum);
    block[154] = 0;
    emit(block, sizeof block);
}

static void emit_entry(const char *path, char type, const struct seen *seen, uint64_t size, const char *link)
{
    record("", "path", path, length(path));
    if (*link)
        record("", "linkpath", link, length(link));
    if (seen && seen->uid > 07777777)
        number_record("uid", seen->uid);
    if (seen && seen->gid > 07777777)
        number_record("gid", seen->gid);
    if (size > 077777777777)
        number_record("size", (long)size);
    header("pax", 'x', 0, records_size, "");
    emit(records, records_size);
    emit_padding(records_size);
    records_size = 0;
    header(path, type, seen, size, link);
}

/* Note the extended attributes of a name in the folder that we are in; say whether it hides what is below it. */
static int note_attributes(const char *name)
{
    static const char hides[] = "trusted.overlay.opaque";
    int opaque = 0;
    long size = CALL(llistxattr, name, names, sizeof names, 0, 0);
    for (char *at = names; size > 0 && at < names + size; at += length(at) + 1) {
        long got = CALL(lgetxattr, name, at, contents, 65536, 0);
        size_t same = 0;
        if (got < 0)
            continue;
        while (same < sizeof hides && at[same] == hides[same])
            same++;
        if (same == sizeof hides)
            opaque = got == 1 && contents[0] == 'y';
        else if (at[0] != 't')
            record("SCHILY.xattr.", at, contents, (size_t)got);
    }
    return opaque;
}

/* The path that this file was met at before, or nothing. */
static const char *met_before(const struct seen *seen)
{
    size_t most = sizeof links / sizeof *links, at = seen->inode % most, size = length(path_here) + 1;
    if (++links_count > most / 2 || link_paths_size + size > sizeof link_paths)
        stop("fault", 0, "too many hard links", "", "");
    for (; links[at].inode; at = (at + 1) % most)
        if (links[at].inode == seen->inode && links[at].major == seen->device_major
            && links[at].minor == seen->device_minor)
            return link_paths + links[at].path;
    links[at].inode = seen->inode;
    links[at].major = seen->device_major;
    links[at].minor = seen->device_minor;
    links[at].path = link_paths_size;
    memcpy(link_paths + link_paths_size, path_here, size);
    link_paths_size += size;
    return "";
}

static void emit_content(const char *name, uint64_t size)
{
    long fd = CALL(openat, AT_FDCWD, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0, 0);
    must(fd, path_here);
    for (uint64_t left = size; left;) {
        long step = CALL(read, fd, contents, left < sizeof contents ? left : sizeof contents, 0, 0);
        if (step == -EINTR)
            continue;
        if (step <= 0)
            stop("fault", -step, "cannot be read: ", path_here, "");
        emit(contents, (size_t)step);
        left -= (uint64_t)step;
    }
    CALL(close, fd, 0, 0, 0, 0);
    emit_padding(size);
}

static void emit_mark(size_t folder, const char *name)
{
    static char mark[sizeof path_here + 8];
    memcpy(mark, path_here, folder);
    memcpy(mark + folder, ".wh.", 4);
    memcpy(mark + folder + 4, name, length(name) + 1);
    emit_entry(mark, '0', 0, 0, "");
}

static void emit_folder(size_t size, int depth);

/* What has this name in the folder that we are in, whose path, with a slash, is `folder` bytes long. */
static void emit_name(const char *name, size_t folder, int depth)
{
    struct seen seen = look(AT_FDCWD, name);
    size_t size = length(name);
    if ((seen.mode & S_IFMT) == S_IFCHR && !seen.major && !seen.minor) {
        emit_mark(folder, name);
        return;
    }
    if (folder + size + 2 > sizeof path_here)
        stop("content", 0, "a path is too long: /", path_here, "");
    memcpy(path_here + folder, name, size + 1);
    if (name[0] == '.' && name[1] == 'w' && name[2] == 'h' && name[3] == '.')
        stop("content", 0, "a name that means a removed file in an image: /", path_here, "");
    const char *first = "";
    uint32_t kind = seen.mode & S_IFMT;
    if (kind == S_IFREG && seen.links > 1 && *(first = met_before(&seen))) {
        emit_entry(path_here, '1', &seen, 0, first);
        return;
    }
    int opaque = note_attributes(name);
    if (kind == S_IFREG) {
        emit_entry(path_here, '0', &seen, seen.size, "");
        emit_content(name, seen.size);
    } else if (kind == S_IFLNK) {
        long got = CALL(readlinkat, AT_FDCWD, name, link_text, PATH_LIMIT, 0);
        must(got, path_here);
        link_text[got] = 0;
        emit_entry(path_here, '2', &seen, 0, link_text);
    } else if (kind == S_IFDIR) {
        emit_entry(path_here, '5', &seen, 0, "");
        path_here[folder + size] = '/';
        path_here[folder + size + 1] = 0;
        if (opaque)
            emit_mark(folder + size + 1, ".wh..opq");
        long fd = CALL(openat, AT_FDCWD, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, 0);
        must(fd, path_here);
        must(CALL(fchdir, fd, 0, 0, 0, 0), path_here);
        CALL(close, fd, 0, 0, 0, 0);
        emit_folder(folder + size + 1, depth + 1);
        must(CALL(chdir, "..", 0, 0, 0, 0), path_here);
    } else if (kind == S_IFCHR || kind == S_IFBLK || kind == S_IFIFO) {
        emit_entry(path_here, kind == S_IFCHR ? '3' : kind == S_IFBLK ? '4' : '6', &seen, 0, "");
    } else {
        stop("content", 0, "a socket cannot be in an image: /", path_here, "");
    }
}

/* All in the folder that we are in. */
static void emit_folder(size_t size, int depth)
{
    char entries[2048] __attribute__((aligned(8)));
    if (depth > 200)
        stop("content", 0, "more than 200 folders deep: /", path_here, "");
    long fd = CALL(openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0), got;
    must(fd, path_here);
    while ((got = CALL(getdents64, fd, entries, sizeof entries, 0, 0)) > 0)
        for (long at = 0; at < got; at += *(unsigned short *)(entries + at + 16)) {
            const char *name = entries + at + 19;
            if (!(name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))))
                emit_name(name, size, depth);
        }
    must(got, path_here);
    CALL(close, fd, 0, 0, 0, 0);
}

static void emit_changes(void)
{
    static const char zeros[1024];
    must(CALL(fchdir, work_fd, 0, 0, 0, 0), "the upper directory");
    struct seen root = look(AT_FDCWD, ".");
    int opaque = note_attributes(".");
    emit_entry("./", '5', &root, 0, "");
    if (opaque)
        emit_mark(0, ".wh..opq");
    emit_folder(0, 0);
    emit(zeros, sizeof zeros);
}

static int is_full(void)
{
    uint64_t found[16];
    if (CALL(fstatfs, work_fd, found, 0, 0, 0) < 0)
        return 0;
    return found[4] * found[1] < 1024 * 1024 || (found[5] && !found[6]);
}

static void report(long code, long bound_count)
{
    static char text[2 * PATH_LIMIT];
    long size = 0, step;
    while ((step = CALL(read, failures[0], text + size, sizeof text - 1 - size, 0, 0)) > 0)
        size += step;
    take_mounts(bound_count);
    take_away();
    if (!size && code > 0 && is_full())
        stop("full", 0, "", "", "");
    if (!size && code == 0)
        emit_changes();
    say(2, "\n");
    say(2, token);
    say(2, " ");
    if (size)
        say(2, text);
    else if (code < 0)
        tell(2, "late", 124, "", "", "");
    else
        tell(2, "ended", code, "", "", "");
    say(2, "\n");
    leave(size ? 125 : code < 0 ? 124 : code);
}

__attribute__((used)) _Noreturn void begin(long *stack)
{
    char **environment = (char **)(stack + 1 + *stack + 1);
    read_job();
    token = field();
    const char *hostname = field();
    long network = number(), milliseconds = number(), epoch = number(), uid = number(), gid = number();
    long secret_count = count();
    const char *cwd = field();
    struct file_time times[2] = {{epoch, 0}, {epoch, 0}};
    long group_count = count(), bound_count, many;
    for (long one = 0; one < group_count; one++)
        groups[one] = (uint32_t)number();
    bound_count = count();
    for (long one = 0; one < bound_count; one++) {
        bounds[one].source = field();
        bounds[one].target = field();
        bounds[one].mode = number();
        bounds[one].uid = number();
        bounds[one].gid = number();
    }
    many = count();
    for (long one = 0; one < many; one++)
        argv_of[one] = (char *)field();
    many = count();
    for (long one = 0; one < many; one++)
        env_of[one] = (char *)field();
    long spaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | (network ? 0 : CLONE_NEWNET);
    long result = CALL(unshare, spaces, 0, 0, 0, 0);
    if (result < 0)
        stop("isolation", -result, "fresh namespaces", "", "");
    must(CALL(mount, "none", "/", "", MS_REC | MS_PRIVATE, 0), "private mounts");
    must(CALL(sethostname, hostname, length(hostname), 0, 0, 0), "the hostname");
    if (!network)
        start_loopback();
    int stdin_fd = (int)CALL(openat, AT_FDCWD, SELF "/stdin", O_RDONLY | O_CLOEXEC, 0, 0);
    must(stdin_fd, "standard input");
    enter_overlay(environment, secret_count);
    make_devices();
    mount_inputs(bound_count, times);
    must(CALL(pipe2, failures, O_CLOEXEC, 0, 0, 0), "a pipe");
    int theirs = failures[1];
    failures[1] = -1;
    must(CALL(unshare, CLONE_NEWPID, 0, 0, 0, 0), "a namespace of processes");
    long child = CALL(clone, SIGCHLD, 0, 0, 0, 0);
    must(child, "a process");
    if (child == 0) {
        failures[1] = theirs;
        run(stdin_fd, cwd, uid, gid, group_count);
    }
    CALL(close, theirs, 0, 0, 0, 0);
    report(wait_for(child, milliseconds), bound_count);
    leave(125);
}
