package host

import (
	"bytes"
	"encoding/base64"
	"image/jpeg"

	"github.com/porch-call/porch/backend/signalling"
)

// Limits of a picture that comes with a knock.
const (
	maxSide    = 320      // pixels
	maxPicture = 16 << 10 // bytes, after it was encoded again
)

// progressive begins the frame of a progressive JPEG (ITU T.81 table B.1). Its
// scans can cause much work with few bytes, so a picture with a knock must be
// baseline.
var progressive = []byte{0xFF, 0xC2}

// still returns what the window shows of a picture that came with a knock: a data:
// URL of a JPEG. It returns "" if the data is not a small baseline JPEG. The
// picture comes from a stranger, so it is decoded here, within bounds, and encoded
// again. The window gets none of the stranger's bytes.
func still(picture string) string {
	if picture == "" || len(picture) > base64.RawURLEncoding.EncodedLen(signalling.MaxPicture) {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(picture)
	if err != nil || bytes.Contains(b, progressive) {
		return ""
	}
	size, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil || size.Width < 1 || size.Height < 1 || size.Width > maxSide || size.Height > maxSide {
		return ""
	}
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil || out.Len() > maxPicture {
		return ""
	}
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(out.Bytes())
}
