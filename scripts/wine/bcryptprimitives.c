/* What Wine 8 lacks and Go needs from 1.21 on: ProcessPrng, which fills a buffer with random bytes and can't fail. Wine has
   the same as RtlGenRandom, which advapi32.dll exports under the name SystemFunction036 (ntsecapi.h). */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
	return SystemFunction036(buffer, (ULONG)length);
}
