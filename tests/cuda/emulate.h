// CUDA as far as `src/inference/fused/kernels.cu` uses it, on a CPU: the blocks of a launch run one after the other, the threads of a
// block take turns from barrier to barrier. Tensor cores round as f32 does.
//
// What a GPU would only show sometimes is an error here: a tile that is not aligned as wmma demands ends the program, and copies
// to shared memory arrive at the last moment allowed, or with LATE=0 at the first; the turns go from the last thread to the
// first with REVERSE=1. A race gives different results then.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <setjmp.h>
#include <ucontext.h>
#include <vector>

#define EMULATED
#define __global__
#define __device__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))

using half = _Float16;
inline float __half2float(half value) { return value; }
inline half __float2half(float value) { return static_cast<half>(value); }
struct uint4 {
    uint32_t x, y, z, w;
} __attribute__((may_alias, aligned(16)));
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
inline dim3 threadIdx, blockIdx, blockDim;

// A thread of the block: its own stack, and its copies on their way in groups.
struct Copy {
    half *to;
    const half *from;
    int bytes;
};
struct Thread {
    ucontext_t start;
    jmp_buf place;
    std::vector<char> stack = std::vector<char>(64 << 10);
    // Those on their way, and how many of them each group has, oldest first; the last group is still open.
    std::vector<Copy> copies;
    std::vector<size_t> groups;
    bool begun, done;
};
inline std::vector<Thread> threads;
inline jmp_buf scheduler;
inline unsigned current;
inline std::function<void()> kernel;

inline bool option(const char *name, bool otherwise) {
    const char *value = getenv(name);
    return value ? value[0] == '1' : otherwise;
}

// A barrier of the block. One of a warp is no more than that here, for all threads meet the same ones.
inline void __syncthreads() {
    if (!_setjmp(threads[current].place)) {
        _longjmp(scheduler, 1);
    }
}
inline void __syncwarp() { __syncthreads(); }

inline void arrive(const Copy &copy) {
    memset(copy.to, 0, 16);
    memcpy(copy.to, copy.from, copy.bytes);
}
inline void emulated_copy(half *to, const half *from, int bytes) {
    if (reinterpret_cast<uintptr_t>(to) % 16 || reinterpret_cast<uintptr_t>(from) % 16) {
        fprintf(stderr, "a copy of 16 bytes that is not aligned\n");
        abort();
    }
    static const bool late = option("LATE", true);
    if (late) {
        threads[current].copies.push_back({to, from, bytes});
        ++threads[current].groups.back();
    } else {
        arrive({to, from, bytes});
    }
}
inline void emulated_commit() { threads[current].groups.push_back(0); }
inline void emulated_wait(size_t left) {
    Thread &thread = threads[current];
    size_t arrived = 0;
    while (thread.groups.size() > left + 1) {
        for (size_t end = arrived + thread.groups.front(); arrived < end; ++arrived) {
            arrive(thread.copies[arrived]);
        }
        thread.groups.erase(thread.groups.begin());
    }
    thread.copies.erase(thread.copies.begin(), thread.copies.begin() + arrived);
}

inline void run_thread() {
    kernel();
    threads[current].done = true;
    _longjmp(scheduler, 1);
}

// Until the thread's next barrier or its end.
inline void resume(Thread &thread) {
    if (_setjmp(scheduler)) {
        return;
    }
    if (thread.begun) {
        _longjmp(thread.place, 1);
    }
    thread.begun = true;
    setcontext(&thread.start);
}

inline void launch(dim3 grid, dim3 block, std::function<void()> function) {
    static const bool reverse = option("REVERSE", false);
    kernel = std::move(function);
    blockDim = block;
    if (threads.size() < block.x) {
        threads = std::vector<Thread>(block.x);
    }
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
            for (unsigned i = 0; i < block.x; ++i) {
                Thread &thread = threads[i];
                thread.begun = thread.done = false;
                thread.copies.clear();
                thread.groups.assign(1, 0);
                getcontext(&thread.start);
                thread.start.uc_stack = {thread.stack.data(), 0, thread.stack.size()};
                thread.start.uc_link = nullptr;
                makecontext(&thread.start, run_thread, 0);
            }
            for (bool going = true; going;) {
                going = false;
                for (unsigned i = 0; i < block.x; ++i) {
                    current = reverse ? block.x - 1 - i : i;
                    if (!threads[current].done) {
                        threadIdx.x = current;
                        resume(threads[current]);
                        going |= !threads[current].done;
                    }
                }
            }
        }
    }
}

// A warp's first thread holds its tiles whole.
namespace nvcuda::wmma {
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major };
template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
    float values[16][16];
};
inline bool first_of_warp() { return threadIdx.x % 32 == 0; }
inline void check(const void *tile, unsigned pitch, unsigned unit) {
    if (reinterpret_cast<uintptr_t>(tile) % 32 || pitch % unit) {
        fprintf(stderr, "a tile that is not aligned\n");
        abort();
    }
}
template <class F> void fill_fragment(F &to, float value) {
    if (first_of_warp()) {
        for (auto &row : to.values) {
            for (float &v : row) {
                v = value;
            }
        }
    }
}
// a is kept as [row][k], b as [k][column].
template <class Use, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, half, Layout> &to, const half *from, unsigned pitch) {
    constexpr bool turned = std::is_same_v<Use, matrix_b>;
    static_assert(turned == std::is_same_v<Layout, col_major>);
    check(from, pitch, 8);
    if (first_of_warp()) {
        for (int i = 0; i < 16; ++i) {
            float row[16];
            for (int k = 0; k < 16; ++k) {
                row[k] = from[i * pitch + k];
            }
            for (int k = 0; k < 16; ++k) {
                (turned ? to.values[k][i] : to.values[i][k]) = row[k];
            }
        }
    }
}
template <class A, class B, class C> void mma_sync(C &to, const A &a, const B &b, const C &before) {
    if (first_of_warp()) {
        for (int i = 0; i < 16; ++i) {
            float row[16];
            memcpy(row, before.values[i], sizeof row);
            for (int k = 0; k < 16; ++k) {
                for (int j = 0; j < 16; ++j) {
                    row[j] += a.values[i][k] * b.values[k][j];
                }
            }
            memcpy(to.values[i], row, sizeof row);
        }
    }
}
template <class F> void store_matrix_sync(float *to, const F &from, unsigned pitch, layout_t) {
    check(to, pitch, 4);
    if (first_of_warp()) {
        for (int i = 0; i < 16; ++i) {
            memcpy(to + i * pitch, from.values[i], sizeof from.values[i]);
        }
    }
}
} // namespace nvcuda::wmma
