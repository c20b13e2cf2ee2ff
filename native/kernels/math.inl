// Elementary functions on vectors. Included by a kernel file, after its vec_*.h.
//
// The rational coefficients are minimax fits made for this file (Lawson's weighting of a linearised least squares on
// 4000 Chebyshev nodes); the errors named are of the float32 evaluation.

namespace resift {
namespace {

// e^x, relative error below 2e-7; 0 below -87 and never above e^88. Cody & Waite's reduction, Taylor's polynomial.
inline Vec vexp(Vec x) {
  const Vec low = vset(-87.0f);
  const Vec bounded = vmin(vset(88.0f), vmax(low, x));
  const Vec n = vround(vmul(bounded, vset(1.44269504f)));
  Vec r = vfma(n, vset(-0.693359375f), bounded);  // ln 2 in two parts; the product with the first is exact
  r = vfma(n, vset(2.12194440e-4f), r);
  Vec p = vset(1.0f / 5040.0f);
  p = vfma(p, r, vset(1.0f / 720.0f));
  p = vfma(p, r, vset(1.0f / 120.0f));
  p = vfma(p, r, vset(1.0f / 24.0f));
  p = vfma(p, r, vset(1.0f / 6.0f));
  p = vfma(p, r, vset(0.5f));
  p = vfma(p, r, vset(1.0f));
  p = vfma(p, r, vset(1.0f));
  return vwhere_not_below(x, low, vmul(p, vpow2(n)));
}

// x * P(x^2) / Q(x^2) with x held within [-bound, bound]. Subtle: x is the second operand of min and max, so that
// not-a-number comes through.
inline Vec odd_rational(Vec x, float bound, const float (&p)[6], const float (&q)[6]) {
  x = vmin(vset(bound), vmax(vset(-bound), x));
  const Vec t = vmul(x, x);
  Vec up = vset(p[5]), down = vset(q[5]);
  for (int i = 4; i >= 0; --i) {
    up = vfma(up, t, vset(p[i]));
    down = vfma(down, t, vset(q[i]));
  }
  return vdiv(vmul(x, up), down);
}

// tanh, relative error below 3e-7.
inline Vec vtanh(Vec x) {
  static const float p[6] = {9.999999987e-1f, 1.368085362e-1f, 3.869504469e-3f,
                             2.803124077e-5f, 3.064236395e-8f, -1.224613020e-11f};
  static const float q[6] = {1.0f, 4.701418571e-1f, 2.725014368e-2f, 3.940707200e-4f, 1.289030254e-6f, 0.0f};
  return odd_rational(x, 9.0f, p, q);
}

// x * Phi(x), Phi the normal distribution (Hendrycks & Gimpel 2016, the form with erf): absolute error below 9e-7.
inline Vec vgelu(Vec x) {
  static const float p[6] = {3.989422346e-1f, 3.385268203e-2f, 4.677262388e-3f,
                             1.688259763e-4f, 6.352115016e-6f, 2.274934831e-8f};
  static const float q[6] = {1.0f, 2.515220083e-1f, 2.864589081e-2f, 1.884446550e-3f, 7.364757348e-5f, 1.197503219e-6f};
  return vmul(x, vadd(vset(0.5f), odd_rational(x, 5.5f, p, q)));
}

// The form with tanh, of the same paper.
inline Vec vgelu_tanh(Vec x) {
  const Vec inner = vmul(vmul(vset(0.7978845608f), x), vfma(vmul(vset(0.044715f), x), x, vset(1.0f)));
  return vmul(vmul(vset(0.5f), x), vadd(vset(1.0f), vtanh(inner)));
}

inline Vec vrelu(Vec x) { return vmax(vset(0.0f), x); }

}  // namespace
}  // namespace resift
