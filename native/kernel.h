// The table of arithmetic that a kernel offers: one for each instruction set and precision, chosen at run time.
//
// Included by files that are compiled for one instruction set: it holds plain data only, no inline code, so nothing
// compiled with wider instructions can end up in the common part of the library.
//
// Every function keeps one promise: an output depends on its own row (or sequence), the weights and the kernel, and
// on nothing else - not on how many rows there are, where the row lies, or how the work is split. Sums run in an order
// that only their length decides.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace resift {

enum class DType : int { f32, f16, bf16 };
enum class Precision : int { fp32, bf16, int8 };
enum class Activation : int { none, gelu, gelu_tanh, relu, tanh };

// A matrix [n, k] in panels of `Kernel::panel` outputs, the last panel filled up with zeros.
//
// int8 and bf16 have one layout for all instruction sets, so a file can hold it: panels of 32 outputs, in a panel
// [k / 4][32][4] int8 or [k / 2][32][2] bf16, k rounded up to a multiple of 64. fp32 is laid out as its kernel likes.
struct Packed {
  int n, k;
  const void* panels;
  const float* bias;    // [n rounded up to whole panels], as the next two
  const float* scale;   // int8: an output's weights are the int8 values times its scale
  const int32_t* sums;  // int8: the sum of an output's int8 values
  const float* smooth;  // [k] factors of the inputs before they are quantised, or null; int8 only
  const float* shift;   // [k] what is taken off the inputs before that, or null; the bias makes up for it
};

// c[rows, n] = activation(a[rows, k] * w^T + bias) + residual, for the panels [first_panel, last_panel).
struct GemmArgs {
  const void* a;  // rows as `prepare` wrote them; floats where the kernel has no `prepare`
  size_t lda;     // bytes
  int rows;
  const Packed* w;
  int first_panel, last_panel;
  float* c;
  size_t ldc;
  uint16_t* half;  // null, or where to write outputs rounded to bfloat16 in place of `c`, rows `ldc` values apart; only
                   // for kernels with `prepare_half`, and without a residual
  Activation activation;
  const float* residual;  // null, or like c with stride ldr; must not overlap c
  size_t ldr;
  void* scratch;  // Kernel::gemm_scratch(rows, k) bytes, aligned to 64
};

// out[queries, width] = softmax(q * k^T / sqrt(width)) * v: one head, some queries of one sequence.
struct AttentionArgs {
  const float* q;
  size_t ldq;
  int queries;
  const float* k;
  const float* v;
  size_t ldkv;
  int length, width;
  float* out;
  size_t ldo;
  void* scratch;  // Kernel::attention_scratch(length, width) bytes, aligned to 64
};

struct Kernel {
  const char* name;  // the instruction set
  Precision precision;
  int panel;  // outputs in a panel of packed weights

  void (*to_float)(DType type, const void* source, float* out, size_t count);

  size_t (*panel_bytes)(int k);
  // Pack `rows` (at most `panel`) rows of k floats into one panel. int8 also writes `scale` and `sums`, a value a row.
  void (*pack_panel)(const float* weights, int rows, int k, void* out, float* scale, int32_t* sums);

  // Rows of floats into the form that `gemm` multiplies: rounded to bfloat16, or quantised with a scale for each row.
  // Both null: `gemm` takes floats. They lie in groups of `row_group` (1 or kRowBlock of plan.h): `gemm` begins with a
  // group, and the last group has its full room, whatever it holds beyond `rows`. `prepare` writes the rows from `first`
  // on, of all that begin at `out`.
  size_t (*row_bytes)(int k);
  void (*prepare)(const float* x, size_t ldx, int first, int rows, const Packed& w, void* out);
  int row_group;
  // As `prepare`, from rows of bfloat16 that a `gemm` wrote; null where there is no such thing.
  void (*prepare_half)(const uint16_t* x, size_t ldx, int first, int rows, const Packed& w, void* out);

  size_t (*gemm_scratch)(int rows, int k);
  void (*gemm)(const GemmArgs& args);

  // out = (x - mean) / sqrt(variance + eps) * weight + bias for every row; out may be x.
  void (*layer_norm)(const float* x, size_t ldx, float* out, size_t ldo, int rows, int n, const float* weight,
                     const float* bias, float eps);

  size_t (*attention_scratch)(int length, int width);
  void (*attention)(const AttentionArgs& args);

  // Multiply and add in registers, `rounds` times: the most that this kernel's instructions can do. Returns the number
  // of operations, a multiplication and an addition counted as two.
  double (*spin)(long rounds);
};

}  // namespace resift
