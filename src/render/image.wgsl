// Codes → display values by table → bilinear, between two mip levels. Follows view.wgsl.

@group(0) @binding(1) var table: texture_2d<u32>;
@group(1) @binding(0) var codes: texture_2d<u32>;

fn texel(x: i32, y: i32, level: i32) -> f32 {
    let code = textureLoad(codes, vec2<i32>(x, y), level - view.finest).r;
    return f32(textureLoad(table, vec2<u32>(code & 255u, code >> 8u), 0).r);
}

fn bilinear(p: vec2<f32>, level: i32) -> f32 {
    let shift = vec2<u32>(u32(level));
    let last = (view.size - 1) >> shift;
    let q = p * exp2(-f32(level)) - 0.5;
    let low = floor(q);
    let f = q - low;
    let i = vec2<i32>(low) + (view.base >> shift);
    let a = clamp(i, vec2<i32>(0), last);
    let b = clamp(i + 1, vec2<i32>(0), last);
    let top = mix(texel(a.x, a.y, level), texel(b.x, a.y, level), f.x);
    let bottom = mix(texel(a.x, b.y, level), texel(b.x, b.y, level), f.x);
    return mix(top, bottom, f.y);
}

fn grey(value: f32) -> vec4<f32> {
    return vec4<f32>(vec3<f32>(value / 65535.0), 1.0);
}

// Three entries rather than branches: software renderers execute both sides of a branch.

@fragment
fn paint_blocky(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let p = vec2<i32>(floor(image_from_fragment(position))) + view.base;
    let q = clamp(p, vec2<i32>(0), view.size - 1);
    return grey(texel(q.x, q.y, 0));
}

@fragment
fn paint_level(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    return grey(bilinear(image_from_fragment(position), view.level));
}

@fragment
fn paint_between(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let p = image_from_fragment(position);
    return grey(mix(bilinear(p, view.level), bilinear(p, view.level + 1), view.blend));
}
