// Codes → display values by table → bilinear, between two mip levels. Follows view.wgsl.

@group(0) @binding(1) var table: texture_2d<u32>;
@group(1) @binding(0) var codes: texture_2d<u32>;

fn texel(place: vec2<i32>, last: vec2<i32>, level: i32) -> f32 {
    let code = textureLoad(codes, clamp(place, vec2<i32>(0), last), level).r;
    return f32(textureLoad(table, vec2<u32>(code & 255u, code >> 8u), 0).r);
}

fn bilinear(p: vec2<f32>, level: i32) -> f32 {
    let shift = vec2<u32>(u32(level));
    let last = (view.size - 1) >> shift;
    let q = p * exp2(-f32(level)) - 0.5;
    let low = floor(q);
    let f = q - low;
    let i = vec2<i32>(low) + (view.base >> shift);
    let top = mix(texel(i, last, level), texel(i + vec2<i32>(1, 0), last, level), f.x);
    let bottom = mix(texel(i + vec2<i32>(0, 1), last, level), texel(i + vec2<i32>(1, 1), last, level), f.x);
    return mix(top, bottom, f.y);
}

@fragment
fn paint(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let p = image_from_fragment(position);
    var value = 0.0;
    if view.blocky > 0.0 {
        value = texel(vec2<i32>(floor(p)) + view.base, view.size - 1, 0);
    } else {
        value = bilinear(p, view.level);
        if view.blend > 0.0 {
            value = mix(value, bilinear(p, view.level + 1), view.blend);
        }
    }
    return vec4<f32>(vec3<f32>(value / 65535.0), 1.0);
}
