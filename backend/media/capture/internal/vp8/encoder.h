#ifndef PORCH_VP8_ENCODER_H
#define PORCH_VP8_ENCODER_H

#include <stddef.h>
#include <stdint.h>

typedef struct porch_vp8_encoder porch_vp8_encoder;

// Opens an encoder for width × height; bitrate in kbit/s; screen for
// text. On failure returns
// NULL and sets *error to libvpx's code.
porch_vp8_encoder *porch_vp8_open(unsigned width, unsigned height, unsigned kbps,
                                  unsigned threads, int speed, int screen, int *error);

// Encodes one I420 picture. pts and duration in 1/90000 s. On success returns
// 0; *data, valid until the next call, may be NULL: the rate control left the
// frame out.
int porch_vp8_encode(porch_vp8_encoder *e, const uint8_t *y, const uint8_t *u,
                     const uint8_t *v, int y_stride, int uv_stride, int64_t pts,
                     unsigned long duration, int key, const uint8_t **data,
                     size_t *size, int *is_key);

// Sets the bitrate in kbit/s from the next frame on.
int porch_vp8_set_bitrate(porch_vp8_encoder *e, unsigned kbps);

void porch_vp8_close(porch_vp8_encoder *e);

const char *porch_vp8_error(int error);

#endif
