// Package pcm measures, mixes and stretches sound: 16-bit samples of one channel, 48,000 a second. It is pure.
package pcm
