"""Value Representation codes and traits (PS3.5 section 6.2).  See include/vr_traits.h."""
from libc.stdint cimport uint8_t, uint16_t

cdef extern from "vr_traits.h" nogil:
    enum:
        DW_VR_US_SS, DW_VR_OB_OW, DW_VR_US_OW, DW_VR_US_SS_OW, DW_VR_NONE
        DW_VR_AE, DW_VR_AS, DW_VR_AT, DW_VR_CS, DW_VR_DA, DW_VR_DS, DW_VR_DT, DW_VR_FD, DW_VR_FL, DW_VR_IS, DW_VR_LO
        DW_VR_LT, DW_VR_OB, DW_VR_OD, DW_VR_OF, DW_VR_OL, DW_VR_OV, DW_VR_OW, DW_VR_PN, DW_VR_SH, DW_VR_SL, DW_VR_SQ
        DW_VR_SS, DW_VR_ST, DW_VR_SV, DW_VR_TM, DW_VR_UC, DW_VR_UI, DW_VR_UL, DW_VR_UN, DW_VR_UR, DW_VR_US, DW_VR_UT
        DW_VR_UV
        DW_VR_KNOWN, DW_VR_LONG, DW_VR_TEXT, DW_VR_CHARSET, DW_VR_SINGLE, DW_VR_BYTES
    uint8_t dw_vr_traits(uint16_t vr) noexcept
    int dw_vr_is_two_capitals(uint16_t vr) noexcept

cdef str vr_name(uint16_t vr)
