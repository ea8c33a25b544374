//go:build linux || porch_native

#include "encoder.h"

#include <stdlib.h>
#include <string.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

struct porch_vp8_encoder {
  vpx_codec_ctx_t codec;
  vpx_codec_enc_cfg_t config;
  vpx_image_t image;
};

porch_vp8_encoder *porch_vp8_open(unsigned width, unsigned height, unsigned kbps,
                                  unsigned threads, int speed, int screen, int *error) {
  porch_vp8_encoder *e = calloc(1, sizeof *e);
  if (e == NULL) {
    *error = VPX_CODEC_MEM_ERROR;
    return NULL;
  }
  vpx_codec_enc_cfg_t *c = &e->config;
  vpx_codec_err_t err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), c, 0);
  if (err != VPX_CODEC_OK) goto failed;

  c->g_w = width;
  c->g_h = height;
  c->g_threads = threads;
  c->g_timebase.num = 1;
  c->g_timebase.den = 90000;
  c->g_pass = VPX_RC_ONE_PASS;
  c->g_lag_in_frames = 0;
  c->g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
  c->rc_end_usage = VPX_CBR;
  c->rc_target_bitrate = kbps;
  c->rc_dropframe_thresh = 30;
  c->rc_resize_allowed = 0;
  c->rc_min_quantizer = 2;
  c->rc_max_quantizer = screen ? 40 : 56;
  c->rc_undershoot_pct = 100;
  c->rc_overshoot_pct = 15;
  c->rc_buf_initial_sz = 500;
  c->rc_buf_optimal_sz = 600;
  c->rc_buf_sz = 1000;
  // Receivers ask for keyframes; one a minute is for those who cannot.
  c->kf_mode = VPX_KF_AUTO;
  c->kf_min_dist = 0;
  c->kf_max_dist = 1800;

  err = vpx_codec_enc_init(&e->codec, vpx_codec_vp8_cx(), c, 0);
  if (err != VPX_CODEC_OK) goto failed;

  vpx_codec_control(&e->codec, VP8E_SET_CPUUSED, speed);
  vpx_codec_control(&e->codec, VP8E_SET_STATIC_THRESHOLD, 1);
  vpx_codec_control(&e->codec, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION);
  if (screen) vpx_codec_control(&e->codec, VP8E_SET_SCREEN_CONTENT_MODE, 1);
  // A keyframe may take half of the buffer: 600 ms × 0.5 × 30 fps ÷ 10.
  vpx_codec_control(&e->codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, 900);

  vpx_img_wrap(&e->image, VPX_IMG_FMT_I420, width, height, 1, (unsigned char *)e);
  return e;

failed:
  *error = err;
  free(e);
  return NULL;
}

int porch_vp8_encode(porch_vp8_encoder *e, const uint8_t *y, const uint8_t *u,
                     const uint8_t *v, int y_stride, int uv_stride, int64_t pts,
                     unsigned long duration, int key, const uint8_t **data,
                     size_t *size, int *is_key) {
  *data = NULL;
  *size = 0;
  *is_key = 0;
  e->image.planes[VPX_PLANE_Y] = (unsigned char *)y;
  e->image.planes[VPX_PLANE_U] = (unsigned char *)u;
  e->image.planes[VPX_PLANE_V] = (unsigned char *)v;
  e->image.stride[VPX_PLANE_Y] = y_stride;
  e->image.stride[VPX_PLANE_U] = uv_stride;
  e->image.stride[VPX_PLANE_V] = uv_stride;
  vpx_codec_err_t err = vpx_codec_encode(&e->codec, &e->image, pts, duration,
                                         key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
  e->image.planes[VPX_PLANE_Y] = e->image.planes[VPX_PLANE_U] = e->image.planes[VPX_PLANE_V] = NULL;
  if (err != VPX_CODEC_OK) return err;

  vpx_codec_iter_t iterator = NULL;
  const vpx_codec_cx_pkt_t *packet;
  while ((packet = vpx_codec_get_cx_data(&e->codec, &iterator)) != NULL) {
    if (packet->kind != VPX_CODEC_CX_FRAME_PKT) continue;
    *data = packet->data.frame.buf;
    *size = packet->data.frame.sz;
    *is_key = (packet->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
    break; // one layer, no lag: one frame a picture
  }
  return VPX_CODEC_OK;
}

int porch_vp8_set_bitrate(porch_vp8_encoder *e, unsigned kbps) {
  e->config.rc_target_bitrate = kbps;
  return vpx_codec_enc_config_set(&e->codec, &e->config);
}

void porch_vp8_close(porch_vp8_encoder *e) {
  vpx_codec_destroy(&e->codec);
  free(e);
}

const char *porch_vp8_error(int error) { return vpx_codec_err_to_string(error); }
