/* Training a layered tanh net, written by hand: the native limit.

   REAL, TANH, T (patterns), ETA, N_WEIGHTS, N_OUTS (of all layers, inputs too), WIDEST, USE_BLAS are constants of the
   compilation, and so are the layers: FORWARD and BACKWARD call one function after the other, from the first and from
   the last, each with numbers that the compiler knows. W lies as (inputs, outputs), so that loops run along rows. */
#include <math.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

typedef void Gemm(int order, int ta, int tb, int64_t m, int64_t n, int64_t k, REAL alpha, const REAL *a, int64_t lda,
                  const REAL *b, int64_t ldb, REAL beta, REAL *c, int64_t ldc);
static Gemm *gemm;
void use(void *address) { gemm = (Gemm *)address; }
enum { ROWS = 101, AS_IT_IS = 111, TURNED = 112 };

static REAL w[N_WEIGHTS] __attribute__((aligned(64)));
static REAL outs[N_OUTS] __attribute__((aligned(64)));
static REAL target[T * N_LAST] __attribute__((aligned(64)));
static REAL errors[2][T * WIDEST] __attribute__((aligned(64)));
REAL *weights(void) { return w; }
REAL *inputs(void) { return outs; }
REAL *targets(void) { return target; }

/* out = f(W out_below + b) */
INLINE void forward(int n, int m, int hidden, const REAL *W, const REAL *below, REAL *out) {
    const REAL *b = W + n * m;
#if USE_BLAS
    for (int t = 0; t < T; t++)
        for (int j = 0; j < m; j++) out[t * m + j] = b[j];
    gemm(ROWS, AS_IT_IS, AS_IT_IS, T, m, n, 1, below, n, W, m, 1, out, m);
#else
    for (int t = 0; t < T; t++) {
        REAL in[WIDEST]; /* in registers, as long as the layer is small */
        for (int j = 0; j < m; j++) in[j] = b[j];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < m; j++) in[j] += below[t * n + i] * W[i * m + j];
        for (int j = 0; j < m; j++) out[t * m + j] = in[j];
    }
#endif
    if (hidden)
        for (int k = 0; k < T * m; k++) out[k] = TANH(out[k]);
}

/* δ of the layer below = f'(in) ⊙ Wᵀ δ, then ΔW = −η/T Σ_t δ_t out_tᵀ and Δb = −η/T Σ_t δ_t */
INLINE void backward(int n, int m, int first, REAL *W, const REAL *below, const REAL *delta, REAL *err) {
    const REAL step = (REAL)(ETA / T);
    if (!first) {
#if USE_BLAS
        gemm(ROWS, AS_IT_IS, TURNED, T, n, m, 1, delta, m, W, m, 0, err, n);
#else
        for (int t = 0; t < T; t++)
            for (int i = 0; i < n; i++) {
                REAL sum = 0;
                for (int j = 0; j < m; j++) sum += delta[t * m + j] * W[i * m + j];
                err[t * n + i] = sum;
            }
#endif
        for (int k = 0; k < T * n; k++) err[k] *= 1 - below[k] * below[k];
    }
#if USE_BLAS
    gemm(ROWS, TURNED, AS_IT_IS, n, m, T, -step, below, n, delta, m, 1, W, m);
    for (int t = 0; t < T; t++)
        for (int j = 0; j < m; j++) W[n * m + j] -= step * delta[t * m + j];
#else
    for (int i = 0; i <= n; i++) { /* the last is the bias, whose input is always 1 */
        REAL g[WIDEST];
        for (int j = 0; j < m; j++) g[j] = 0;
        for (int t = 0; t < T; t++)
            for (int j = 0; j < m; j++) g[j] += (i < n ? below[t * n + i] : 1) * delta[t * m + j];
        for (int j = 0; j < m; j++) W[i * m + j] -= step * g[j];
    }
#endif
}

double run(int64_t steps) {
    REAL E = 0;
    for (int64_t s = 0; s < steps; s++) {
        FORWARD
        const REAL *out = outs + N_OUTS - T * N_LAST;
        E = 0;
        for (int k = 0; k < T * N_LAST; k++) {
            errors[0][k] = out[k] - target[k];
            E += errors[0][k] * errors[0][k];
        }
        BACKWARD
    }
    return (double)E / (2 * T);
}
