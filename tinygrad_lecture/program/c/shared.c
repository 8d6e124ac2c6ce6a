/* What compiled programs share: matrix products and threads.

   gemm: C ← α A B + β D for matrices of numbers T, A and B of any strides, C and D of contiguous rows; D may be C.
   C is cut into tiles of ROWS × WIDTH elements, which stay in registers while k runs. What they read of B is first laid
   out in panels of WIDTH columns, so that it comes in order. Each element is summed in the order of k, whoever does it:
   the number of threads changes no bit. Source: Goto and van de Geijn 2008; theirs lays out A too, which small products
   do not pay back. Nothing is laid out where C has few rows or columns, or A has one column, as when learning pattern
   by pattern: there each element is read once or twice, and memory decides.

   share: a long loop, by the same threads. T is defined before this text. */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef T vec __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));

enum {
#if defined(__AVX512F__) || defined(__aarch64__) /* 32 vector registers, not 16 */
  ROWS = 8, ACROSS = 4,
#else
  ROWS = 6, ACROSS = 2,
#endif
  FEW = 4, /* rows of C for which it does not pay back to lay out B */
  LANES = BYTES / sizeof(T),
  WIDTH = 2 * LANES,
  NEAR = 1 << 14, /* bytes of a matrix that are read as they lie: the first cache holds them */
  DEPTH = 256, /* so much of k at once: a panel stays in the first cache, … */
  PANELS = 16, /* … and so many panels in the second */
  ALONE = 1 << 21, /* multiplications that are not worth another thread, … */
  LAID = 8, /* … each element of B that is laid out counting for so many, … */
  READ = 1 << 17, /* … numbers that are read once, … */
  ELEMENTS = 1 << 15, /* … and elements of a loop */
  STRETCH = 1024 /* columns of one row whose sums stay in the first cache */
};
#define EACH _Pragma("GCC unroll 8") for
#define INLINE static inline __attribute__((always_inline))

typedef struct {
  int64_t m, n, k;
  T alpha;
  const T *a;
  int64_t ai, ak;
  const T *b;
  int64_t bk, bj;
  T beta;
  const T *d;
  T *c;
} product;

/* A copy of n < WIDTH numbers, by halves of known length. */
INLINE void few(T *to, const T *from, int64_t n) {
  EACH (int half = LANES; half; half /= 2)
    if (n & half) memcpy(to, from, half * sizeof(T)), to += half, from += half;
}

/* A tile of C: rows × columns of it, by `depth` columns of A and rows of B. Where it is narrow, left halves are all. */
INLINE void tile(const int rows, const int narrow, int64_t columns, int64_t depth, T alpha, const T *a, int64_t ai,
                 int64_t ak, const T *b, int64_t bk, T beta, const T *d, T *c, int64_t n) {
  vec s[ROWS], r[ROWS]; /* the left half of each row, and the right one */
  EACH (int i = 0; i < rows; i++) s[i] = r[i] = (vec){0};
  for (int64_t p = 0; p < depth; p++, a += ak, b += bk) {
    const vec left = *(const vec *)b, right = narrow ? left : *(const vec *)(b + LANES);
    EACH (int i = 0; i < rows; i++) {
      const T e = a[i * ai];
      s[i] += e * left;
      if (!narrow) r[i] += e * right;
    }
  }
  EACH (int i = 0; i < rows; i++, c += n, d += n) {
    T row[WIDTH], old[WIDTH];
    const T *from = d;
    if (columns < WIDTH && beta != 0) from = old, few(old, d, columns);
    vec *to = (vec *)(columns < WIDTH ? row : c);
    to[0] = beta != 0 ? beta * ((const vec *)from)[0] + alpha * s[i] : alpha * s[i];
    if (!narrow) to[1] = beta != 0 ? beta * ((const vec *)from)[1] + alpha * r[i] : alpha * r[i];
    if (columns < WIDTH) few(c, row, columns);
  }
}

/* A function for each number of rows, so that the registers are its own. */
typedef void tile_t(int64_t, int64_t, T, const T *, int64_t, int64_t, const T *, int64_t, T, const T *, T *, int64_t);
#define TILE(name, rows, narrow) \
  static __attribute__((noinline)) void name(int64_t columns, int64_t depth, T alpha, const T *a, int64_t ai, int64_t ak, \
                                             const T *b, int64_t bk, T beta, const T *d, T *c, int64_t n) { \
    tile(rows < ROWS ? rows : ROWS, narrow, columns, depth, alpha, a, ai, ak, b, bk, beta, d, c, n); \
  }
#define BOTH(rows) TILE(wide_##rows, rows, 0) TILE(narrow_##rows, rows, 1)
BOTH(1) BOTH(2) BOTH(3) BOTH(4) BOTH(5) BOTH(6) BOTH(7) BOTH(8)
static tile_t *const tiles[][2] = {{NULL, NULL},         {wide_1, narrow_1}, {wide_2, narrow_2},
                                   {wide_3, narrow_3},   {wide_4, narrow_4}, {wide_5, narrow_5},
                                   {wide_6, narrow_6},   {wide_7, narrow_7}, {wide_8, narrow_8}};

/* LANES columns of B, whose elements follow each other, as parts of LANES rows of a panel: halves change places, then
   quarters, … Source: Eklundh 1972. */
#if defined(__GNUC__) && !defined(__clang__)
#define ALL _Pragma("GCC unroll 16") for
INLINE void turned(const T *b, int64_t bj, T *panel) {
  typedef __typeof__((vec){0} == (vec){0}) places;
  vec r[LANES];
  ALL (int i = 0; i < LANES; i++) r[i] = *(const vec *)(b + i * bj);
  ALL (int half = LANES / 2; half; half /= 2) {
    places upper, lower;
    ALL (int i = 0; i < LANES; i++) upper[i] = i & half ? LANES + i - half : i, lower[i] = upper[i] + half;
    ALL (int i = 0; i < LANES; i++)
      if (!(i & half)) {
        const vec a = r[i], c = r[i + half];
        r[i] = __builtin_shuffle(a, c, upper), r[i + half] = __builtin_shuffle(a, c, lower);
      }
  }
  ALL (int i = 0; i < LANES; i++) *(vec *)(panel + i * WIDTH) = r[i];
}
#else
INLINE void turned(const T *b, int64_t bj, T *panel) {
  for (int i = 0; i < LANES; i++)
    for (int p = 0; p < LANES; p++) panel[p * WIDTH + i] = b[p + i * bj];
}
#endif

/* Columns of B side by side: WIDTH of them a panel, the last one filled up with zeros. */
static void lay_out(const product *q, int64_t k0, int64_t depth, int64_t j0, int64_t j1, T *panel) {
  for (int64_t j = j0; j < j1; j += WIDTH, panel += depth * WIDTH) {
    const int64_t columns = j1 - j < WIDTH ? j1 - j : WIDTH;
    const T *b = q->b + k0 * q->bk + j * q->bj;
    if (columns < WIDTH) memset(panel, 0, depth * WIDTH * sizeof(T));
    if (q->bj == 1)
      for (int64_t p = 0; p < depth; p++)
        if (columns == WIDTH) /* a copy of known length */
          memcpy(panel + p * WIDTH, b + p * q->bk, WIDTH * sizeof(T));
        else
          memcpy(panel + p * WIDTH, b + p * q->bk, columns * sizeof(T));
    else {
      int64_t done = 0;
      if (q->bk == 1 && columns == WIDTH)
        for (; done + LANES <= depth; done += LANES) {
          turned(b + done, q->bj, panel + done * WIDTH);
          turned(b + done + LANES * q->bj, q->bj, panel + done * WIDTH + LANES);
        }
      for (int64_t p0 = done; p0 < depth; p0 += 16)
        for (int64_t i = 0; i < columns; i++)
          for (int64_t p = p0; p < p0 + 16 && p < depth; p++) panel[p * WIDTH + i] = b[p * q->bk + i * q->bj];
    }
  }
}

/* Rows i0 … i1 and columns j0 … j1 of C. room: for the panels, and behind them for ROWS rows of A. */
static void part(const product *q, int64_t i0, int64_t i1, int64_t j0, int64_t j1, T *room) {
  T *const side = room + DEPTH * ((j1 - j0 + WIDTH - 1) / WIDTH * WIDTH);
  for (int64_t k0 = 0; k0 < q->k; k0 += DEPTH) {
    const int64_t depth = q->k - k0 < DEPTH ? q->k - k0 : DEPTH;
    const T beta = k0 ? 1 : q->beta, *d = k0 ? q->c : q->d;
    const int a_near = depth * q->ak * sizeof(T) <= NEAR, b_near = q->bj == 1 && depth * q->bk * sizeof(T) <= NEAR;
    lay_out(q, k0, depth, b_near ? j1 - (j1 - j0) % WIDTH : j0, j1, room);
    for (int64_t i = i0; i < i1; i += ROWS) {
      const T *a = q->a + i * q->ai + k0 * q->ak, *panel = room;
      const int64_t rows = i1 - i < ROWS ? i1 - i : ROWS;
      int64_t ai = q->ai, ak = q->ak;
      if (ai == 1 && rows == ROWS && j1 - j0 > WIDTH && !a_near) { /* rows side by side, each step in k far away */
        for (int64_t p = 0; p < depth; p++) memcpy(side + p * ROWS, a + p * ak, ROWS * sizeof(T));
        a = side, ak = ROWS;
      }
      for (int64_t j = j0; j < j1; j += WIDTH) {
        const int as_it_lies = b_near && j1 - j >= WIDTH;
        tiles[rows][j1 - j <= LANES](j1 - j, depth, q->alpha, a, ai, ak, as_it_lies ? q->b + k0 * q->bk + j : panel,
                                     as_it_lies ? q->bk : WIDTH, beta, d + i * q->n + j, q->c + i * q->n + j, q->n);
        if (!as_it_lies) panel += depth * WIDTH;
      }
    }
  }
}

enum { MOST = 255 };

/* Work is a number of tasks, in as many shares as there are threads. */
typedef void task_t(const void *of, int64_t which);
typedef struct {
  task_t *task;
  const void *of;
  int64_t number;
  int shares;
  int64_t next[MOST + 1]; /* of each share */
} work;

/* Everybody begins with a share of his own, the same in each step, so that its numbers stay in his cache; who is done
   with it takes what is left of the others'. */
static void tasks(work *w, int me) {
  for (int i = 0; i < w->shares; i++) {
    const int whose = (me + i) % w->shares;
    const int64_t end = (whose + 1) * w->number / w->shares;
    for (int64_t t; (t = __atomic_fetch_add(&w->next[whose], 1, __ATOMIC_RELAXED)) < end;) w->task(w->of, t);
  }
}

static void alone(task_t *task, const void *of, int64_t number) {
  for (int64_t t = 0; t < number; t++) task(of, t);
}

static int threads = 1;
void use_threads(int n) { threads = n < MOST ? n : MOST; }

/* How many tasks there should be, where so many could be worth a thread: several for each, as who is late takes fewer. */
static int64_t wanted(int64_t worth) { return worth < 2 || threads == 1 ? 1 : 3 * (worth < threads ? worth : threads); }

#ifndef _WIN32
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

enum { LOOKS = 20000 };

/* Helpers sleep until there is work, and look out for more of it for a moment before they sleep again. */
static struct {
  pthread_mutex_t busy, lock;
  pthread_cond_t wake;
  int helpers, asleep, inside;
  long round;
  work *w;
  pthread_t ids[MOST];
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
INLINE void moment(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void *helper(void *which) {
  for (long seen = 0;;) {
    for (int look = 0; look < LOOKS && __atomic_load_n(&pool.round, __ATOMIC_RELAXED) == seen; look++) moment();
    pthread_mutex_lock(&pool.lock);
    pool.asleep++;
    while (pool.round == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    pool.asleep--;
    seen = pool.round;
    work *w = pool.w;
    if (w) __atomic_fetch_add(&pool.inside, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&pool.lock);
    if (!w) continue;
    tasks(w, (int)(intptr_t)which);
    __atomic_fetch_sub(&pool.inside, 1, __ATOMIC_RELEASE);
  }
  return which;
}

static void forked(void) { /* a child has no helpers yet, whatever its parent was doing */
  pthread_mutex_init(&pool.busy, NULL);
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.wake, NULL);
  pool.helpers = pool.asleep = pool.inside = 0;
  pool.w = NULL;
}

/* Helpers that wake while another program looks out for work, as they do, would be put beside who wakes them: they shall
   begin on another processor (`away`), and may go where they like later on. */
static void spread(int away) {
#ifdef __linux__
  cpu_set_t those;
  const int here = sched_getcpu();
  if (here < 0 || sched_getaffinity(getpid(), sizeof those, &those) || CPU_COUNT(&those) < 2) return;
  if (away) CPU_CLR(here, &those);
  for (int i = 0; i < pool.helpers; i++) pthread_setaffinity_np(pool.ids[i], sizeof those, &those);
#endif
}

/* So many helpers, if the system has them; signals are left to the threads that were there before. */
static void hire(int n) {
  static int told;
  if (pool.helpers >= n) return;
  if (!told) told = !pthread_atfork(NULL, NULL, forked);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.helpers < n && !pthread_create(&pool.ids[pool.helpers], NULL, helper, (void *)(intptr_t)(pool.helpers + 1)))
    pthread_detach(pool.ids[pool.helpers++]);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void together(task_t *task, const void *of, int64_t number) {
  if (number < 2 || threads == 1 || pthread_mutex_trylock(&pool.busy)) { /* or they help another thread */
    alone(task, of, number);
    return;
  }
  work w;
  w.task = task, w.of = of, w.number = number, w.shares = number < threads ? (int)number : threads;
  for (int i = 0; i < w.shares; i++) w.next[i] = i * number / w.shares;
  hire(w.shares - 1);
  pthread_mutex_lock(&pool.lock);
  const int asleep = pool.asleep;
  if (asleep) spread(1);
  pool.w = &w;
  __atomic_fetch_add(&pool.round, 1, __ATOMIC_RELAXED);
  if (asleep) pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  tasks(&w, 0);
  pthread_mutex_lock(&pool.lock);
  pool.w = NULL;
  pthread_mutex_unlock(&pool.lock);
  for (int look = 0; __atomic_load_n(&pool.inside, __ATOMIC_ACQUIRE); look++)
    if (look < LOOKS)
      moment();
    else
      sched_yield();
  if (asleep) spread(0);
  pthread_mutex_unlock(&pool.busy);
}
#else
static void together(task_t *task, const void *of, int64_t number) { alone(task, of, number); }
#endif

/* A product as tasks: parts of C of so many rows and columns, of which `across` lie side by side. */
typedef struct {
  product q;
  int64_t rows, columns, across;
} parts;

static void one_part(const void *of, int64_t which) {
  const parts *all = of;
  const product *q = &all->q;
  const int64_t i = which / all->across * all->rows, j = which % all->across * all->columns;
  const int64_t i1 = q->m - i < all->rows ? q->m : i + all->rows, j1 = q->n - j < all->columns ? q->n : j + all->columns;
  T near[DEPTH * (WIDTH + ROWS)] __attribute__((aligned(64))), *room = near;
  int64_t columns = all->columns;
  if (columns > WIDTH && !(room = malloc(sizeof(T) * DEPTH * (columns + ROWS)))) room = near, columns = WIDTH;
  for (int64_t at = j; at < j1; at += columns) part(q, i, i1, at, j1 - at < columns ? j1 : at + columns, room);
  if (room != near) free(room);
}

/* An element of C. */
INLINE T element(const product *q, int64_t at, T sum) {
  return q->beta != 0 ? q->beta * q->d[at] + q->alpha * sum : q->alpha * sum;
}

/* Scalar products of some rows of A with some columns of B, both of which lie one element behind the other. */
INLINE void dots(const int rows, const int columns, const product *q, int64_t i, int64_t j) {
  vec s[ACROSS][ACROSS];
  const T *a = q->a + i * q->ai, *b = q->b + j * q->bj;
  EACH (int r = 0; r < rows; r++) EACH (int l = 0; l < columns; l++) s[r][l] = (vec){0};
  int64_t p = 0;
  for (; p + LANES <= q->k; p += LANES) {
    vec e[ACROSS];
    EACH (int l = 0; l < columns; l++) e[l] = *(const vec *)(b + l * q->bj + p);
    EACH (int r = 0; r < rows; r++) {
      const vec x = *(const vec *)(a + r * q->ai + p);
      EACH (int l = 0; l < columns; l++) s[r][l] += x * e[l];
    }
  }
  for (int r = 0; r < rows; r++)
    for (int l = 0; l < columns; l++) {
      const int64_t at = (i + r) * q->n + j + l;
      T part[LANES], sum;
      memcpy(part, &s[r][l], sizeof part);
      for (int half = LANES / 2; half; half /= 2)
        for (int o = 0; o < half; o++) part[o] += part[o + half];
      sum = part[0];
      for (int64_t o = p; o < q->k; o++) sum += a[r * q->ai + o] * b[l * q->bj + o];
      q->c[at] = element(q, at, sum);
    }
}

/* C has few rows: nothing is laid out for them. */
static void by_dots(const void *of, int64_t which) {
  const parts *all = of;
  const product *q = &all->q;
  const int64_t end = q->n - which * all->columns < all->columns ? q->n : (which + 1) * all->columns;
  for (int64_t j = which * all->columns; j < end; j += ACROSS) {
    const int64_t columns = end - j < ACROSS ? end - j : ACROSS;
    int64_t i = 0;
    for (; columns == ACROSS && i + ACROSS <= q->m; i += ACROSS) dots(ACROSS, ACROSS, q, i, j);
    for (; i < q->m; i++)
      if (columns == ACROSS)
        dots(1, ACROSS, q, i, j);
      else
        for (int64_t l = 0; l < columns; l++) dots(1, 1, q, i, j + l);
  }
}

/* C has one row: eight rows of B are added up at once. */
static void one_row(const void *of, int64_t which) {
  const parts *all = of;
  const product *q = &all->q;
  const int64_t end = q->n - which * all->columns < all->columns ? q->n : (which + 1) * all->columns, s = q->ak, r = q->bk;
  for (int64_t j0 = which * all->columns, n; j0 < end; j0 += n) {
    T sums[STRETCH] = {0};
    const T *x = q->a, *b = q->b + j0;
    int64_t p = 0;
    n = end - j0 < STRETCH ? end - j0 : STRETCH;
    for (; p + 8 <= q->k; p += 8, x += 8 * s, b += 8 * r) {
      const T x0 = x[0], x1 = x[s], x2 = x[2 * s], x3 = x[3 * s], x4 = x[4 * s], x5 = x[5 * s], x6 = x[6 * s],
              x7 = x[7 * s];
      for (int64_t j = 0; j < n; j++)
        sums[j] += x0 * b[j] + x1 * b[j + r] + x2 * b[j + 2 * r] + x3 * b[j + 3 * r] +
                   (x4 * b[j + 4 * r] + x5 * b[j + 5 * r] + x6 * b[j + 6 * r] + x7 * b[j + 7 * r]);
    }
    for (; p < q->k; p++, x += s, b += r)
      for (int64_t j = 0; j < n; j++) sums[j] += *x * b[j];
    for (int64_t j = 0; j < n; j++) q->c[j0 + j] = element(q, j0 + j, sums[j]);
  }
}

/* A has one column, and B one row: each element of C is one product. */
static void one_outer(const void *of, int64_t which) {
  const parts *all = of;
  const product *q = &all->q;
  const int64_t end = q->m - which * all->rows < all->rows ? q->m : (which + 1) * all->rows;
  for (int64_t i = which * all->rows; i < end; i++) {
    const T e = q->a[i * q->ai], *b = q->b, *d = q->d + i * q->n, alpha = q->alpha, beta = q->beta;
    const int64_t n = q->n;
    T *c = q->c + i * q->n;
#pragma omp simd /* D may be C: each element is read before it is written */
    for (int64_t j = 0; j < n; j++) c[j] = beta != 0 ? beta * d[j] + alpha * (e * b[j]) : alpha * (e * b[j]);
  }
}

void gemm(int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t ai, int64_t ak, const T *b, int64_t bk,
          int64_t bj, T beta, const T *d, T *c) {
  if (n == 1 && m > 1) { /* the same as one row of as many columns */
    gemm(1, m, k, alpha, b, 0, bk, a, ak, ai, beta, d, c);
    return;
  }
  parts all = {{m, n, k, alpha, a, ai, ak, b, bk, bj, beta, d, c}, m, n, 1};
  if ((m == 1 && bj == 1) || (m <= FEW && ak == 1 && bk == 1)) {
    const int64_t pieces = wanted(m * n * k / READ);
    all.columns = ((n + pieces - 1) / pieces + 63) / 64 * 64;
    together(m == 1 && bj == 1 ? one_row : by_dots, &all, (n + all.columns - 1) / all.columns);
    return;
  }
  if (k == 1 && bj == 1) {
    const int64_t pieces = wanted(m * n / ELEMENTS);
    all.rows = (m + pieces - 1) / pieces;
    together(one_outer, &all, (m + all.rows - 1) / all.rows);
    return;
  }
  const int64_t panels = (n + WIDTH - 1) / WIDTH, pieces = wanted((m + LAID) * n * k / ALONE);
  const int64_t fair = (panels + pieces - 1) / pieces, columns = WIDTH * (fair < PANELS ? fair : PANELS);
  const int64_t across = (n + columns - 1) / columns, down = across < pieces ? (pieces + across - 1) / across : 1;
  all.rows = ((m + down - 1) / down + ROWS - 1) / ROWS * ROWS;
  all.columns = columns, all.across = across;
  together(one_part, &all, across * ((m + all.rows - 1) / all.rows));
}

/* A loop over n, each of whose steps handles `each` elements, as tasks: stretches of it, in multiples of 1024 elements,
   so that what a compiler does with the last ones of a stretch is done to none but the last of all. */
typedef void loop(char *const *at, int64_t begin, int64_t end);
typedef struct {
  loop *f;
  char *const *at;
  int64_t n, stretch;
} stretches;

static void one_stretch(const void *of, int64_t which) {
  const stretches *all = of;
  const int64_t begin = which * all->stretch;
  all->f(all->at, begin, all->n - begin < all->stretch ? all->n : begin + all->stretch);
}

void share(loop *f, char *const *at, int64_t n, int64_t each) {
  const int64_t pieces = wanted(n * each / ELEMENTS), fair = (n + pieces - 1) / pieces;
  const int64_t stretch = each < 1024 ? (fair + 1023) / 1024 * 1024 : fair;
  const stretches all = {f, at, n, stretch};
  together(one_stretch, &all, (n + stretch - 1) / stretch);
}
