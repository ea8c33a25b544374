#ifndef PORCH_OPUS_CTL_H
#define PORCH_OPUS_CTL_H

#include <opus.h>

// opus_encoder_ctl and opus_decoder_ctl are variadic, which cgo cannot call.

static inline int porch_opus_set(OpusEncoder *e, int request, opus_int32 value) {
  return opus_encoder_ctl(e, request, value);
}

static inline int porch_opus_reset(OpusDecoder *d) {
  return opus_decoder_ctl(d, OPUS_RESET_STATE);
}

#endif
