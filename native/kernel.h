// The table of arithmetic that a kernel offers. One kernel per instruction set, chosen at run time.
//
// Included by files that are compiled for one instruction set: it holds plain data only, no inline code, so nothing
// compiled with wider instructions can end up in the common part of the library.
//
// Every function keeps one promise: an output depends on its own row (or sequence), the weights and the kernel, and
// on nothing else - not on how many rows there are, where the row lies, or how the work is split. Sums run in an order
// that only their length decides.
#pragma once

#include <stddef.h>

namespace resift {

enum class DType : int { f32, f16, bf16 };
enum class Activation : int { none, gelu, gelu_tanh, relu, tanh };

// A matrix [n, k] in a kernel's own layout: panels of `Kernel::panel` outputs.
struct Packed {
  int n, k;
  const void* panels;
  const float* bias;  // [n]
};

// c[rows, n] = activation(a[rows, k] * w^T + bias) + residual, for the panels [first_panel, last_panel).
struct GemmArgs {
  const float* a;
  size_t lda;
  int rows;
  const Packed* w;
  int first_panel, last_panel;
  float* c;
  size_t ldc;
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
  const char* name;
  int panel;  // outputs in a panel of packed weights

  void (*to_float)(DType type, const void* source, float* out, size_t count);

  size_t (*panel_bytes)(int k);
  // Pack `rows` (at most `panel`) rows of k floats into one panel.
  void (*pack_panel)(const float* weights, int rows, int k, void* out);

  size_t (*gemm_scratch)(int rows, int k);
  void (*gemm)(const GemmArgs& args);

  // out = (x - mean) / sqrt(variance + eps) * weight + bias for every row; out may be x.
  void (*layer_norm)(const float* x, size_t ldx, float* out, size_t ldo, int rows, int n, const float* weight,
                     const float* bias, float eps);

  size_t (*attention_scratch)(int length, int width);
  void (*attention)(const AttentionArgs& args);
};

extern const Kernel portable_kernel;
#if defined(RESIFT_X86)
extern const Kernel avx2_kernel;
extern const Kernel avx512_kernel;
#endif

}  // namespace resift
