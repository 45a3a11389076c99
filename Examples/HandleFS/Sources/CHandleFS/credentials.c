/* The capabilities of a thread, and the user that it acts for. */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local uid_t acting_uid;
static _Thread_local gid_t acting_gid;
static _Thread_local mode_t acting_mask;

/* The thread's capabilities, as the kernel has them. */
static _Thread_local struct __user_cap_data_struct capabilities[2];

/* Adds a capability to this thread's effective set, or removes it. */
static int set_capability(int capability, int on)
{
    struct __user_cap_header_struct version = {.version = _LINUX_CAPABILITY_VERSION_3};
    uint32_t before = capabilities[0].effective, bit = 1u << capability;
    uint32_t after = on ? before | (bit & capabilities[0].permitted) : before & ~bit;
    if (after == before)
        return 0;
    capabilities[0].effective = after;
    int error = (int)result(syscall(SYS_capset, &version, capabilities));
    if (error)
        capabilities[0].effective = before;
    return error;
}

int hf_has_capability(int capability)
{
    struct __user_cap_header_struct version = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[2] = {0};
    syscall(SYS_capget, &version, own);
    return own[capability / 32].effective >> capability % 32 & 1;
}

void hf_prepare_thread(void)
{
    /* Gives the thread a umask of its own, and keeps its capabilities when its user changes. */
    unshare(CLONE_FS);
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
    umask(0);
    acting_mask = 0;
    struct __user_cap_header_struct version = {.version = _LINUX_CAPABILITY_VERSION_3};
    syscall(SYS_capget, &version, capabilities);
    /* Without this capability, reserved disk space and quotas apply as they do to the caller. */
    set_capability(CAP_SYS_RESOURCE, 0);
}

void hf_act_for(uid_t uid, gid_t gid)
{
    if (gid != acting_gid)
        syscall(SYS_setfsgid, gid);
    if (uid != acting_uid)
        syscall(SYS_setfsuid, uid);
    acting_uid = uid;
    acting_gid = gid;
}

void hf_set_mask(mode_t mask)
{
    if (mask != acting_mask)
        umask(mask);
    acting_mask = mask;
}

/* Opens what /proc tells of a process; NULL if the process is not visible. */
static FILE *open_status(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return pid > 0 ? fopen(path, "re") : NULL;
}

int hf_user_of(int pid, uid_t *uid, gid_t *gid)
{
    char line[256];
    FILE *status = open_status(pid);
    if (!status)
        return -ESRCH;
    int found = 0;
    /* Real, effective, saved, and the one for files. */
    while (found < 2 && fgets(line, sizeof line, status))
        found += sscanf(line, "Uid: %*u %*u %*u %u", uid) == 1 ||
                 sscanf(line, "Gid: %*u %*u %*u %u", gid) == 1;
    fclose(status);
    return found == 2 ? 0 : -ESRCH;
}

int hf_may_set_id(int pid)
{
    char path[64], line[256];
    struct stat own, other;
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    if (pid <= 0 || stat("/proc/self/ns/user", &own) || stat(path, &other) ||
        own.st_ino != other.st_ino)
        return 0;
    FILE *status = open_status(pid);
    if (!status)
        return 0;
    unsigned long long effective = 0;
    while (fgets(line, sizeof line, status) && sscanf(line, "CapEff: %llx", &effective) != 1)
        ;
    fclose(status);
    return (int)(effective >> CAP_FSETID & 1);
}

int hf_set_fsetid(int on) { return set_capability(CAP_FSETID, on); }
