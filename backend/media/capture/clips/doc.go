// Package clips codes moving pictures once, for guests of the laboratory who send them again and again. The pictures
// are drawn: a head that moves before a background with texture, with the noise of a camera.
package clips
