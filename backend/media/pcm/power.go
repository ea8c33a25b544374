package pcm

// Power returns the mean square of sound, 0 for no sound.
func Power(sound []int16) float64 {
	var sum float64
	for _, s := range sound {
		sum += float64(s) * float64(s)
	}
	return sum / float64(max(len(sound), 1))
}
