// Work on single rows. Included by a kernel file, after math.inl and gemm_f32.inl.

namespace resift {
namespace {

// add(add(0, x0), x1) ... lane by lane in four chains, their sums in an order that only n decides.
template <class Add>
inline float vsum_of(const float* x, int n, const Add& add) {
  constexpr int kChains = 4;  // one would wait for each addition
  Vec sum[kChains];
  for (Vec& s : sum) s = vset(0.0f);
  int j = 0;
  for (; j + kChains * kLanes <= n; j += kChains * kLanes) {
    RESIFT_UNROLL
    for (int i = 0; i < kChains; ++i) sum[i] = add(sum[i], vload(x + j + i * kLanes));
  }
  for (; j < n; j += kLanes) {
    const int m = smaller(kLanes, n - j);
    sum[0] = vkeep_n(add(sum[0], vload_n(x + j, m)), m, sum[0]);
  }
  return vsum(vadd(vadd(sum[0], sum[1]), vadd(sum[2], sum[3])));
}

// Two passes over the row: the textbook's mean of squares minus square of mean loses digits where the mean is large.
void layer_norm(const float* x, size_t ldx, float* out, size_t ldo, int rows, int n, const float* weight,
                const float* bias, float eps) {
  for (int r = 0; r < rows; ++r, x += ldx, out += ldo) {
    const Vec mean = vset(vsum_of(x, n, [](Vec sum, Vec v) { return vadd(sum, v); }) / static_cast<float>(n));
    const float squares = vsum_of(x, n, [&](Vec sum, Vec v) {
      const Vec d = vsub(v, mean);
      return vfma(d, d, sum);
    });
    const Vec scale = vset(1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + eps));
    int j = 0;
    for (; j + kLanes <= n; j += kLanes) {
      const Vec y = vmul(vsub(vload(x + j), mean), scale);
      vstore(out + j, vfma(y, vload(weight + j), vload(bias + j)));
    }
    if (j < n) {
      const int m = n - j;
      const Vec y = vmul(vsub(vload_n(x + j, m), mean), scale);
      vstore_n(out + j, vfma(y, vload_n(weight + j, m), vload_n(bias + j, m)), m);
    }
  }
}

void to_float(DType type, const void* source, float* out, size_t count) {
  const size_t whole = count / kLanes * kLanes;
  const size_t size = type == DType::f32 ? 4 : 2;
  const auto convert = [type](const unsigned char* from) {
    if (type == DType::f32) return vload(reinterpret_cast<const float*>(from));
    return type == DType::f16 ? vload_f16(from) : vload_bf16(from);
  };
  const unsigned char* bytes = static_cast<const unsigned char*>(source);
  for (size_t i = 0; i < whole; i += kLanes) vstore(out + i, convert(bytes + i * size));
  if (whole < count) {
    unsigned char rest[kLanes * 4] = {};
    for (size_t i = 0; i < (count - whole) * size; ++i) rest[i] = bytes[whole * size + i];
    vstore_n(out + whole, convert(rest), static_cast<int>(count - whole));
  }
}

}  // namespace
}  // namespace resift
