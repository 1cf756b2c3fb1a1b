// A stand-in for NVIDIA's driver, cuBLAS and cuRAND where there is no GPU: memory is the machine's, and launches of this
// program's own kernels run in `emulate.h`. A kernel that it does not know is an error, as is anything else of CUDA.
//
// Build and use: `run.sh`.

#include <atomic>
#include <mutex>
#include <type_traits>

#include "emulate.h"

#include "../../src/inference/fused/kernels.cu"

#define ENTRY extern "C" __attribute__((visibility("default"))) int

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NOT_FOUND = 500 };
using Pointer = unsigned long long;

// What is allocated now, bounded by GPU_MEMORY bytes.
static std::atomic<size_t> used;
static size_t limit() {
    const char *value = getenv("GPU_MEMORY");
    return value ? strtoull(value, nullptr, 10) : SIZE_MAX;
}
static int allocate(Pointer *to, size_t bytes) {
    if (used + bytes > limit()) {
        return OUT_OF_MEMORY;
    }
    char *memory = static_cast<char *>(aligned_alloc(256, (bytes + 511) / 256 * 256));
    if (!memory) {
        return OUT_OF_MEMORY;
    }
    // Not a number wherever nothing was written.
    memset(memory, 0xff, (bytes + 511) / 256 * 256);
    *reinterpret_cast<size_t *>(memory) = bytes;
    used += bytes;
    *to = reinterpret_cast<Pointer>(memory + 256);
    return SUCCESS;
}
static int release(Pointer pointer) {
    char *memory = reinterpret_cast<char *>(pointer) - 256;
    used -= *reinterpret_cast<size_t *>(memory);
    free(memory);
    return SUCCESS;
}

ENTRY cuInit(unsigned) { return SUCCESS; }
ENTRY cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal == 0 ? SUCCESS : 101; }
ENTRY cuDeviceGetAttribute(int *value, int, int) { return *value = 1, SUCCESS; }
ENTRY cuDeviceGetName(char *name, int length, int) { return snprintf(name, length, "emulated GPU"), SUCCESS; }
ENTRY cuDevicePrimaryCtxRetain(void **context, int) { return *context = &used, SUCCESS; }
ENTRY cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
ENTRY cuCtxDestroy_v2(void *) { return SUCCESS; }
ENTRY cuCtxGetCurrent(void **context) { return *context = &used, SUCCESS; }
ENTRY cuCtxSetCurrent(void *) { return SUCCESS; }
ENTRY cuCtxSynchronize() { return SUCCESS; }
ENTRY cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = &used, SUCCESS; }
ENTRY cuMemPoolSetAttribute(void *, int attribute, void *) { return attribute == 4 ? SUCCESS : 1; }
ENTRY cuStreamCreate(void **stream, unsigned) { return *stream = &used, SUCCESS; }
ENTRY cuStreamDestroy_v2(void *) { return SUCCESS; }
ENTRY cuStreamIsCapturing(void *, int *status) { return *status = 0, SUCCESS; }
ENTRY cuStreamSynchronize(void *) { return SUCCESS; }
ENTRY cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
ENTRY cuEventCreate(void **event, unsigned) { return *event = &used, SUCCESS; }
ENTRY cuEventDestroy_v2(void *) { return SUCCESS; }
ENTRY cuEventRecord(void *, void *) { return SUCCESS; }
ENTRY cuGetErrorString(int, const char **text) { return *text = "an error of the stand-in", SUCCESS; }
ENTRY cuMemAllocAsync(Pointer *to, size_t bytes, void *) { return allocate(to, bytes); }
ENTRY cuMemAlloc_v2(Pointer *to, size_t bytes) { return allocate(to, bytes); }
ENTRY cuMemFreeAsync(Pointer pointer, void *) { return release(pointer); }
ENTRY cuMemFree_v2(Pointer pointer) { return release(pointer); }
static int copy(Pointer to, Pointer from, size_t bytes) {
    return memcpy(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), bytes), SUCCESS;
}
ENTRY cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *) { return copy(to, from, bytes); }
ENTRY cuMemcpyDtoHAsync_v2(Pointer to, Pointer from, size_t bytes, void *) { return copy(to, from, bytes); }
ENTRY cuMemcpyHtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *) { return copy(to, from, bytes); }
ENTRY cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes, void *) {
    return memset(reinterpret_cast<void *>(to), value, bytes), SUCCESS;
}
ENTRY cuModuleLoadData(void **module, const void *text) {
    // The PTX that was built for a GPU must be there, although it is not what runs.
    return *module = &used, strstr(static_cast<const char *>(text), "convolve_large") ? SUCCESS : NOT_FOUND;
}
ENTRY cuModuleUnload(void *) { return SUCCESS; }

// A kernel's parameters as CUDA gets them: a pointer to each.
template <class... P, size_t... I>
static void call(void (*function)(P...), void **parameters, std::index_sequence<I...>) {
    function(*static_cast<std::remove_const_t<P> *>(parameters[I])...);
}
template <class... P> static std::function<void(void **)> from(void (*function)(P...)) {
    return [function](void **parameters) { call(function, parameters, std::index_sequence_for<P...>()); };
}
struct Named {
    const char *name;
    std::function<void(void **)> run;
};
static Named kernels[] = {{"convolve_large", from(convolve_large)},
                          {"convolve_small", from(convolve_small)},
                          {"convolve_grey", from(convolve_grey)},
                          {"pool", from(pool)}};

ENTRY cuModuleGetFunction(void **function, void *, const char *name) {
    for (Named &kernel : kernels) {
        if (!strcmp(kernel.name, name)) {
            *function = &kernel;
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}
ENTRY cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned x, unsigned y, unsigned z,
                     unsigned, void *, void **parameters, void **) {
    if (grid_x == 0 || grid_y == 0 || grid_z != 1 || y != 1 || z != 1 || x > 1024 || grid_y > 65535) {
        return 1;
    }
    static std::mutex one_at_a_time;
    std::lock_guard<std::mutex> guard(one_at_a_time);
    Named *named = static_cast<Named *>(function);
    launch({grid_x, grid_y, 1}, {x, 1, 1}, [=] { named->run(parameters); });
    return SUCCESS;
}

// Made by candle with the device, not used by the networks.
ENTRY cublasCreate_v2(void **handle) { return *handle = &used, SUCCESS; }
ENTRY cublasDestroy_v2(void *) { return SUCCESS; }
ENTRY cublasSetStream_v2(void *, void *) { return SUCCESS; }
ENTRY curandCreateGenerator(void **generator, int) { return *generator = &used, SUCCESS; }
ENTRY curandDestroyGenerator(void *) { return SUCCESS; }
ENTRY curandSetStream(void *, void *) { return SUCCESS; }
ENTRY curandSetPseudoRandomGeneratorSeed(void *, unsigned long long) { return SUCCESS; }

#define UNUSED(name)                                                                                                           \
    ENTRY name() { return fprintf(stderr, "%s is not part of the stand-in\n", #name), NOT_FOUND; }
UNUSED(cuMemcpyPeerAsync)
UNUSED(cuModuleLoad)
UNUSED(cublasDgemmStridedBatched)
UNUSED(cublasGemmStridedBatchedEx)
UNUSED(curandGenerateNormal)
UNUSED(curandGenerateNormalDouble)
UNUSED(curandGenerateUniform)
UNUSED(curandGenerateUniformDouble)
