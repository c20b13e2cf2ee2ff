// Work on single rows. Included by a kernel file, after math.inl and gemm_f32.inl.

namespace resift {
namespace {

// Two passes over the row: the textbook's mean of squares minus square of mean loses digits where the mean is large.
void layer_norm(const float* x, size_t ldx, float* out, size_t ldo, int rows, int n, const float* weight,
                const float* bias, float eps) {
  for (int r = 0; r < rows; ++r, x += ldx, out += ldo) {
    Vec sum = vset(0.0f);
    for (int j = 0; j < n; j += kLanes) sum = vadd(sum, vload_n(x + j, smaller(kLanes, n - j)));
    const Vec mean = vset(vsum(sum) / static_cast<float>(n));
    Vec squares = vset(0.0f);
    for (int j = 0; j < n; j += kLanes) {
      const int m = smaller(kLanes, n - j);
      const Vec d = vkeep_n(vsub(vload_n(x + j, m), mean), m, vset(0.0f));
      squares = vfma(d, d, squares);
    }
    const Vec scale = vset(1.0f / __builtin_sqrtf(vsum(squares) / static_cast<float>(n) + eps));
    for (int j = 0; j < n; j += kLanes) {
      const int m = smaller(kLanes, n - j);
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
