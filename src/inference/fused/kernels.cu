// The networks' operations on CUDA: f16 values, f32 sums, on tensor cores. Maps are [batch, height, width, channels].
//
// A convolution is a matrix product that is never written out: rows are the pixels of the result, columns its channels, and the
// sum runs over kernel positions and input channels, 32 channels at a time. Bias, activation and residual follow in the same
// kernel. The inputs may be several maps whose channels lie side by side (no concatenation is made), each perhaps of half
// the size, every pixel of it then standing for two by two (no upsampling is made).
//
// `tests/cuda/` runs these same lines on a CPU.

#ifndef EMULATED
#include <cuda_fp16.h>
#include <mma.h>
#include <stdint.h>
#endif

using namespace nvcuda;

constexpr int MOST_SOURCES = 5;
// Channels in a step of the sum. A row of a step lies in shared memory with a gap behind it, so that eight rows fall on
// different banks; the gap keeps each 16×16 tile on a multiple of 32 bytes, as wmma demands.
constexpr int STEP = 32;
constexpr int PITCH = STEP + 8;
// Threads of every convolution's block: four warps.
constexpr int THREADS = 128;
// The largest f16; larger sums stop there, where they would become infinite and then not a number.
constexpr float LARGEST = 65504.0f;

// One of the maps whose channels make up the input.
struct Source {
    const half *values;
    int channels;
    // 1: half the size, each pixel standing for two by two.
    int doubled;
};

// As in `launch.rs`.
struct Convolution {
    Source sources[MOST_SOURCES];
    // [outputs rounded up to 64, kernel × kernel, input channels]
    const half *weights;
    // [outputs rounded up to 64]
    const float *bias;
    // Of the result's shape, added after the activation; or null.
    const half *residual;
    half *result;
    int batch, height, width;
    int result_height, result_width, outputs;
    // Of all sources together.
    int inputs;
    int kernel, stride;
    // Negative sums are multiplied by this.
    float slope;
};

// Copies 16 bytes to shared memory without waiting, or zeroes.
__device__ inline void copy_later(half *to, const half *from, bool valid) {
#ifdef EMULATED
    emulated_copy(to, from, valid ? 16 : 0);
#else
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(from), "r"(bytes) : "memory");
#endif
}

__device__ inline void end_of_group() {
#ifdef EMULATED
    emulated_commit();
#else
    asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

// Waits until at most `LEFT` groups of this thread's copies are on their way.
template <int LEFT> __device__ inline void wait_for_groups() {
#ifdef EMULATED
    emulated_wait(LEFT);
#else
    asm volatile("cp.async.wait_group %0;\n" ::"n"(LEFT) : "memory");
#endif
}

__device__ inline float activated(float sum, float slope) { return sum < 0.0f ? sum * slope : sum; }

__device__ inline half rounded(float value) { return __float2half(fminf(fmaxf(value, -LARGEST), LARGEST)); }

// A block computes ROWS pixels × COLUMNS channels, each of its four warps WARP_ROWS × WARP_COLUMNS of them, with STAGES steps
// of the sum in shared memory.
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, int STAGES>
__device__ inline void convolve(const Convolution &c) {
    static_assert((ROWS / WARP_ROWS) * (COLUMNS / WARP_COLUMNS) * 32 == THREADS, "four warps");
    // Four threads copy the 32 channels of a row.
    constexpr int AT_ONCE = THREADS / 4;
    constexpr int PIXEL_COPIES = ROWS / AT_ONCE;
    constexpr int WEIGHT_COPIES = COLUMNS / AT_ONCE;
    constexpr int TILES_DOWN = WARP_ROWS / 16;
    constexpr int TILES_ACROSS = WARP_COLUMNS / 16;
    __shared__ __align__(128) half pixels[STAGES * ROWS * PITCH];
    __shared__ __align__(128) half weights[STAGES * COLUMNS * PITCH];
    static_assert(sizeof(pixels) >= 4 * 16 * 20 * sizeof(float), "room for the warps' results");

    const int thread = threadIdx.x;
    const int warp = thread / 32;
    const int copied_row = thread / 4;
    const int copied_channel = thread % 4 * 8;
    const int first_row = blockIdx.x * ROWS;
    const int first_column = blockIdx.y * COLUMNS;
    const int area = c.result_height * c.result_width;
    const int rows = c.batch * area;
    const int taps = c.kernel * c.kernel;
    const int depth = taps * c.inputs;
    const int steps = depth / STEP;

    // The pixels whose input this thread copies: image, and where the kernel's upper left corner lies.
    int image[PIXEL_COPIES], top[PIXEL_COPIES], left[PIXEL_COPIES];
#pragma unroll
    for (int i = 0; i < PIXEL_COPIES; ++i) {
        int row = first_row + copied_row + i * AT_ONCE;
        image[i] = row / area;
        int within = row % area;
        top[i] = within / c.result_width * c.stride - c.kernel / 2;
        left[i] = within % c.result_width * c.stride - c.kernel / 2;
        if (row >= rows) {
            // Outside the image whatever the kernel's position.
            image[i] = 0;
            top[i] = -1024;
        }
    }

    // The step that is copied next.
    int next_step = 0, next_tap = 0, next_source = 0, next_channel = 0;
    auto copy_step = [&]() {
        if (next_step < steps) {
            const int stage = next_step % STAGES;
            const Source &source = c.sources[next_source];
            const int source_height = c.height >> source.doubled;
            const int source_width = c.width >> source.doubled;
            const int down = next_tap / c.kernel;
            const int across = next_tap % c.kernel;
#pragma unroll
            for (int i = 0; i < PIXEL_COPIES; ++i) {
                int y = top[i] + down;
                int x = left[i] + across;
                bool inside = y >= 0 && y < c.height && x >= 0 && x < c.width;
                int64_t pixel = (static_cast<int64_t>(image[i]) * source_height + (y >> source.doubled)) * source_width +
                                (x >> source.doubled);
                const half *from = source.values + pixel * source.channels + next_channel + copied_channel;
                half *to = pixels + (stage * ROWS + copied_row + i * AT_ONCE) * PITCH + copied_channel;
                copy_later(to, inside ? from : source.values, inside);
            }
#pragma unroll
            for (int i = 0; i < WEIGHT_COPIES; ++i) {
                int column = copied_row + i * AT_ONCE;
                const half *from =
                    c.weights + static_cast<int64_t>(first_column + column) * depth + next_step * STEP + copied_channel;
                copy_later(weights + (stage * COLUMNS + column) * PITCH + copied_channel, from, true);
            }
            ++next_step;
            next_channel += STEP;
            if (next_channel == source.channels) {
                next_channel = 0;
                if (next_source + 1 < MOST_SOURCES && c.sources[next_source + 1].channels > 0) {
                    ++next_source;
                } else {
                    next_source = 0;
                    ++next_tap;
                }
            }
        }
        // Also where nothing was copied, so that the groups count the steps.
        end_of_group();
    };

    const int warp_row = warp / (COLUMNS / WARP_COLUMNS) * WARP_ROWS;
    const int warp_column = warp % (COLUMNS / WARP_COLUMNS) * WARP_COLUMNS;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums[TILES_DOWN][TILES_ACROSS];
#pragma unroll
    for (int i = 0; i < TILES_DOWN; ++i) {
#pragma unroll
        for (int j = 0; j < TILES_ACROSS; ++j) {
            wmma::fill_fragment(sums[i][j], 0.0f);
        }
    }

    for (int i = 0; i < STAGES - 1; ++i) {
        copy_step();
    }
    for (int step = 0; step < steps; ++step) {
        wait_for_groups<STAGES - 2>();
        // Every thread's share of this step is there, and no one reads the stage that is filled next any more.
        __syncthreads();
        copy_step();
        const half *stage_pixels = pixels + (step % STAGES * ROWS + warp_row) * PITCH;
        const half *stage_weights = weights + (step % STAGES * COLUMNS + warp_column) * PITCH;
#pragma unroll
        for (int k = 0; k < STEP; k += 16) {
            wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> a[TILES_DOWN];
            wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> b[TILES_ACROSS];
#pragma unroll
            for (int i = 0; i < TILES_DOWN; ++i) {
                wmma::load_matrix_sync(a[i], stage_pixels + i * 16 * PITCH + k, PITCH);
            }
#pragma unroll
            for (int j = 0; j < TILES_ACROSS; ++j) {
                wmma::load_matrix_sync(b[j], stage_weights + j * 16 * PITCH + k, PITCH);
            }
#pragma unroll
            for (int i = 0; i < TILES_DOWN; ++i) {
#pragma unroll
                for (int j = 0; j < TILES_ACROSS; ++j) {
                    wmma::mma_sync(sums[i][j], a[i], b[j], sums[i][j]);
                }
            }
        }
    }
    wait_for_groups<0>();
    __syncthreads();

    // Each warp's tiles go through shared memory, where a thread finds eight channels of a pixel.
    float *tile = reinterpret_cast<float *>(pixels) + warp * 16 * 20;
    const int tile_row = thread % 32 / 2;
    const int tile_column = thread % 2 * 8;
#pragma unroll
    for (int i = 0; i < TILES_DOWN; ++i) {
#pragma unroll
        for (int j = 0; j < TILES_ACROSS; ++j) {
            wmma::store_matrix_sync(tile, sums[i][j], 20, wmma::mem_row_major);
            __syncwarp();
            int row = first_row + warp_row + i * 16 + tile_row;
            int column = first_column + warp_column + j * 16 + tile_column;
            if (row < rows && column < c.outputs) {
                const float *sum = tile + tile_row * 20 + tile_column;
                const int64_t at = static_cast<int64_t>(row) * c.outputs + column;
                if (c.outputs % 8 == 0) {
                    __align__(16) half added[8] = {};
                    __align__(16) half values[8];
                    if (c.residual) {
                        *reinterpret_cast<uint4 *>(added) = *reinterpret_cast<const uint4 *>(c.residual + at);
                    }
#pragma unroll
                    for (int e = 0; e < 8; ++e) {
                        float value = activated(sum[e] + c.bias[column + e], c.slope);
                        values[e] = rounded(c.residual ? value + __half2float(added[e]) : value);
                    }
                    *reinterpret_cast<uint4 *>(c.result + at) = *reinterpret_cast<const uint4 *>(values);
                } else {
                    for (int e = 0; e < 8 && column + e < c.outputs; ++e) {
                        float value = activated(sum[e] + c.bias[column + e], c.slope);
                        c.result[at + e] = rounded(c.residual ? value + __half2float(c.residual[at + e]) : value);
                    }
                }
            }
            __syncwarp();
        }
    }
}

// For many pixels.
extern "C" __global__ void __launch_bounds__(THREADS) convolve_large(const __grid_constant__ Convolution c) {
    convolve<128, 64, 64, 32, 3>(c);
}

// For few: smaller blocks, so that there is one for every multiprocessor.
extern "C" __global__ void __launch_bounds__(THREADS) convolve_small(const __grid_constant__ Convolution c) {
    convolve<32, 32, 16, 16, 4>(c);
}

// The first layer, 3×3 on a grey image [batch, height, width]; weights [3, 3, outputs]. A thread computes eight channels of a
// pixel.
extern "C" __global__ void convolve_grey(const float *image, const float *weights, const float *bias, half *result,
                                         int batch, int height, int width, int outputs, float slope) {
    const int groups = outputs / 8;
    const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= static_cast<int64_t>(batch) * height * width * groups) {
        return;
    }
    const int channel = static_cast<int>(at % groups) * 8;
    const int64_t pixel = at / groups;
    const int x = static_cast<int>(pixel % width);
    const int y = static_cast<int>(pixel / width % height);
    float sums[8];
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        sums[e] = bias[channel + e];
    }
    for (int tap = 0; tap < 9; ++tap) {
        const int dy = tap / 3 - 1, dx = tap % 3 - 1;
        if (y + dy >= 0 && y + dy < height && x + dx >= 0 && x + dx < width) {
            const float value = image[pixel + dy * width + dx];
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                sums[e] += value * weights[tap * outputs + channel + e];
            }
        }
    }
    __align__(16) half values[8];
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        values[e] = rounded(activated(sums[e], slope));
    }
    *reinterpret_cast<uint4 *>(result + at * 8) = *reinterpret_cast<const uint4 *>(values);
}

// The largest of each 2×2 pixels; height and width are the result's. A thread computes eight channels of a pixel.
extern "C" __global__ void pool(const half *input, half *result, int batch, int height, int width, int channels) {
    const int groups = channels / 8;
    const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= static_cast<int64_t>(batch) * height * width * groups) {
        return;
    }
    const int channel = static_cast<int>(at % groups) * 8;
    const int64_t pixel = at / groups;
    const int64_t x = pixel % width;
    // Of all images together: their heights are even.
    const int64_t y = pixel / width;
    const int64_t row = static_cast<int64_t>(width) * 2 * channels;
    const half *corner = input + y * 2 * row + x * 2 * channels + channel;
    __align__(16) half values[8];
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        float upper = fmaxf(__half2float(corner[e]), __half2float(corner[channels + e]));
        float lower = fmaxf(__half2float(corner[row + e]), __half2float(corner[row + channels + e]));
        values[e] = __float2half(fmaxf(upper, lower));
    }
    *reinterpret_cast<uint4 *>(result + at * 8) = *reinterpret_cast<const uint4 *>(values);
}
