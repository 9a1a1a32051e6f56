/* A wrong clock for one process: preloaded, it moves the time of day by CLOCK_OFF_S seconds and nothing else.

   What measures durations (CLOCK_MONOTONIC) stays right. A wait until a time of day is put right again, because the
   kernel knows nothing of this; where the caller had the time from elsewhere, it is nearer to the true one and stays.

   cc -shared -fPIC -O2 -o clock.so clock.c -ldl
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static time_t off(void) {
    static time_t value;
    static int known;
    if (!known) {
        const char *text = getenv("CLOCK_OFF_S");
        value = text ? atol(text) : 0;
        known = 1;
    }
    return value;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += off();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec fine;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (also) *also = fine.tv_sec;
    return fine.tv_sec;
}

/* The same moment as the kernel knows it. A small number counts from the start of the machine. */
static struct timespec as_kernel_knows(const struct timespec *until) {
    struct timespec now, moved = *until;
    clock_gettime(CLOCK_REALTIME, &now);
    if (until->tv_sec > 1000000000 && labs(until->tv_sec - now.tv_sec) < labs(until->tv_sec - (now.tv_sec - off())))
        moved.tv_sec -= off();
    return moved;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec moved = as_kernel_knows(until);
    if (!real) {
        *(void **)&real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    }
    return real(cond, mutex, &moved);
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    struct timespec moved = as_kernel_knows(until);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "cnd_timedwait");
    return real(cond, mutex, &moved);
}
